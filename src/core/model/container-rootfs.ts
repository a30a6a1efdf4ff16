import type { RootfsKind } from './outcome.ts';

/** How a caller wants a container's root file system to reach its guest. */
export type RootfsMode = 'auto' | 'block' | 'virtiofs' | '9p' | 'none';

/** A disk on the SCSI controller of its VM. */
export interface RootfsDisk {
  /** Its number there. */
  readonly unit: number;
  /** The file behind it. */
  readonly path: string;
}

/** The image, which all its containers in one VM share, and what one container writes. */
export interface RootfsDisks {
  readonly image: RootfsDisk;
  readonly own: RootfsDisk;
}

/** How a container's root file system reaches its guest; it does not change while the container is there. */
export interface ContainerRootfs {
  readonly kind: RootfsKind;
  /** For a person: who decided that, and by what. */
  readonly reason: string;
  /** Of `block`. */
  readonly disks: RootfsDisks | undefined;
}
