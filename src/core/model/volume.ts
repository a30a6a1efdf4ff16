export type VolumeKind = 'directory' | 'block';
export type VolumeFilesystem = 'ext4' | 'none';

/** What a volume is made as. */
export interface VolumeSpec {
  readonly name: string;
  readonly kind: VolumeKind;
  readonly labels: Readonly<Record<string, string>>;
  /** Permission bits of a directory's top. */
  readonly mode: number;
  /** Of a block volume, as it is now; 0 of a directory. */
  readonly sizeBytes: number;
  /** Of a block volume. */
  readonly filesystem: VolumeFilesystem;
}

/** What is on disk of one volume beside its data. */
export interface VolumeRecord extends VolumeSpec {
  readonly createdAtMs: number;
  /** Made for a container whose mount, or whose image, named none. */
  readonly anonymous: boolean;
  /** It goes with its last container. */
  readonly removed: boolean;
}

export const DEFAULT_VOLUME_MODE = 0o755;
/** Sizes of block volumes are whole blocks of any file system. */
export const VOLUME_BLOCK = 4096;
/** The least that ext4 is made on here, and the most that its blocks of 4 KiB can be counted in without rounding. */
export const LEAST_VOLUME_BYTES = 1024 * 1024;
export const MOST_VOLUME_BYTES = 16 * 1024 ** 4;

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}$/;

/** It becomes a name on disk, so it is checked again by whoever reads it there. */
export function isVolumeName(text: string): boolean {
  return NAME.test(text);
}

/** Two requests that make the same volume. What was resized since counts as made so. */
export function madeAlike(known: VolumeSpec, wanted: VolumeSpec): boolean {
  const shape = ({ name, kind, labels, mode, filesystem }: VolumeSpec): string =>
    JSON.stringify([name, kind, Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)), kind === 'directory' ? mode : 0, kind === 'block' ? filesystem : '']);
  return shape(known) === shape(wanted) && known.sizeBytes >= wanted.sizeBytes;
}
