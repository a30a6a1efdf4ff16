import type { WaitOptions } from './host.ts';
import type { ImageConfig } from './storage.ts';

/** A volume of an image in its root file system, no component of whose path is a link. */
export interface ImageVolume {
  /** As the image says it. */
  readonly destination: string;
  /** Where that is, below the root. */
  readonly path: string;
}

/** An image as one read-only file. */
export interface ImageDisk {
  readonly path: string;
  /** Has `etc/passwd` and `etc/group` of the image. */
  readonly users: string;
  readonly volumes: readonly ImageVolume[];
}

/** Images as disks, each made once and shared by all sandboxes. */
export interface ImageDisks {
  /** Where that of an image is, or will be. A function of the image. */
  path(image: ImageConfig): string;
  /** Makes it unless it is there; asked several times at once, it is made once. ROOTFS_FAILED, STORAGE_FULL, HOST_RESOURCE, or the signal's reason. */
  provide(image: ImageConfig, options?: WaitOptions): Promise<ImageDisk>;
  /** For a container whose disk was made before: ROOTFS_FAILED when it is gone. */
  known(path: string): Promise<ImageDisk>;
}

/** Disks that containers write to. */
export interface BlankDisks {
  /** An empty file system in a sparse file; one that is there is left as it is. STORAGE_FULL, ROOTFS_FAILED, HOST_RESOURCE. */
  provide(path: string, sizeBytes: number, options?: WaitOptions): Promise<void>;
}
