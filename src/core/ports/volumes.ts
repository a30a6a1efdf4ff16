import type { VolumeRecord } from '../model/volume.ts';
import type { WaitOptions } from './host.ts';
import type { RootfsPlace } from './storage.ts';

export interface VolumeUsage {
  readonly capacityBytes: number;
  readonly usedBytes: number;
  readonly availableBytes: number;
  readonly inodes: number;
  readonly inodesUsed: number;
  readonly inodesAvailable: number;
  /** Bytes on the host's disk. */
  readonly hostBytes: number;
}

/** Something among the volumes that is none: a half-made one, or one whose record can't be read. */
export interface StrayVolume {
  readonly path: string;
  /** Its record is there and can't be read: it is left alone. */
  readonly unreadable: boolean;
}

/** Which volumes there are, with their data. Reads are of memory; a change is on disk when it resolves. */
export interface VolumeStore {
  /** By name. */
  readonly volumes: readonly VolumeRecord[];
  get(name: string): VolumeRecord | undefined;
  /** Where its data is: a directory, or a file that is a disk. */
  pathOf(volume: VolumeRecord): string;
  /** There whole or not at all. The one that has the name already is answered as it is. STORAGE_FULL, HOST_RESOURCE. */
  create(volume: VolumeRecord, options?: WaitOptions): Promise<VolumeRecord>;
  /** Says of it that it goes with its last container. */
  mark(name: string): Promise<void>;
  /** With its data, unless `unless` says at that moment that it is needed; that there is none is fine. Answers whether it is gone. */
  remove(name: string, unless?: () => boolean): Promise<boolean>;
  /** The file of a block volume has this size from now on, never a smaller one. STORAGE_FULL, HOST_RESOURCE. */
  grow(name: string, sizeBytes: number): Promise<VolumeRecord>;
  /** Of a directory; of a disk what the host has of it. DEADLINE when counting takes too long. */
  usage(volume: VolumeRecord, options?: WaitOptions): Promise<VolumeUsage>;
  /** Where the store is, and what is in it that is no volume. */
  strays(): Promise<readonly StrayVolume[]>;
  discard(stray: StrayVolume): Promise<void>;
}

/** What images have where volumes are mounted. */
export interface VolumeFiller {
  /**
   * Copies what the layers (the topmost first) have at a path into an empty directory, with owners and modes: whole or not at all. Nothing is done
   * when the directory has something in it, or the image has no directory there. ROOTFS_FAILED, STORAGE_FULL.
   */
  fill(place: RootfsPlace, from: { readonly lowers: readonly string[]; readonly path: string }, directory: string, options?: WaitOptions): Promise<void>;
}
