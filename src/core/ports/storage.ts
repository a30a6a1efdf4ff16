import type { RootfsSource } from '../model/sandbox-spec.ts';
import type { ProcessEnd, WaitOptions } from './host.ts';
import type { RootfsKind } from '../model/outcome.ts';

/** The directory that a sandbox's guest sees, and the virtiofsd that serves it. */
export interface Share {
  readonly socketPath: string;
  /** virtio-fs tag. */
  readonly tag: string;
  /** Host directory whose content the guest sees at its shared mount point. */
  readonly directory: string;
  readonly pid: number;
  readonly launcherPid: number;
  /** Resolves once when virtiofsd has ended. Never rejects. */
  readonly ended: Promise<ProcessEnd>;
  /** Ends virtiofsd; resolves when it is gone. */
  stop(): Promise<void>;
  /** Lets go of it without ending it. */
  release(): void;
}

export interface SharePlace {
  /** The sandbox's run directory. */
  readonly runDir: string;
  readonly virtiofsdPath: string;
  readonly cache: 'auto' | 'always' | 'none';
  /** Control groups that virtiofsd joins, as LaunchSpec has them. */
  readonly cgroups: readonly string[];
}

export interface ShareDriver {
  /** Makes the directory, makes it a shared mount so that later mounts reach virtiofsd, and starts virtiofsd. Idempotent. ROOTFS_FAILED otherwise. */
  start(place: SharePlace, options?: WaitOptions): Promise<Share>;
  /** Undefined when its virtiofsd is gone. */
  adopt(place: SharePlace, options?: WaitOptions): Promise<Share | undefined>;
  /** Undoes start, in any half-made state, also when nothing was made. Every mount below is unmounted first; never lazily. */
  remove(place: SharePlace): Promise<void>;
}

/** What an image says of the container that runs it. */
export interface ImageConfig {
  readonly name: string;
  readonly digest: string;
  /** Directory with the root file system; never written to. */
  readonly rootfs: string;
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly env: readonly string[];
  readonly workingDir: string;
  readonly user: string;
  readonly stopSignal: string;
  readonly sizeBytes: number;
  readonly source: string;
}

export interface ImageStore {
  /** IMAGE_NOT_FOUND otherwise, with what there is. */
  resolve(name: string): Promise<ImageConfig>;
  list(): Promise<readonly ImageConfig[]>;
}

export interface RootfsPlace {
  readonly containerId: string;
  /** Where upper and work directories live: on the disk, below the sandbox's state directory. */
  readonly stateDir: string;
  /** The share's host directory. */
  readonly shareDir: string;
  readonly trashDir: string;
}

export interface Rootfs {
  readonly kind: RootfsKind;
  /** Absolute path of the root file system on the host, to read /etc/passwd of (never followed outside). */
  readonly hostPath: string;
  /** Path relative to the guest's shared mount point: `CONTAINER/rootfs`. */
  readonly guestPath: string;
}

export interface RootfsDriver {
  /** Overlay over the source's directory, visible in the share. Idempotent: mounting twice is once. ROOTFS_FAILED, STORAGE_FULL. */
  prepare(place: RootfsPlace, lower: string, options?: WaitOptions): Promise<Rootfs>;
  /** Unmounts and moves the writable layer to trash (its content is removed later). Idempotent, for any half-made state. */
  remove(place: RootfsPlace): Promise<void>;
}

/** Removes what sits in trash directories, one after the other, in the background. */
export interface Trash {
  /** Moves a path there by rename; missing is fine. */
  discard(path: string, trashDir: string): Promise<void>;
  /** Starts (or goes on) emptying it. */
  empty(trashDir: string): void;
  /** Resolves when nothing is left to remove or the signal aborts. */
  settled(options?: WaitOptions): Promise<void>;
}

/** Where a container's root file system comes from, resolved. */
export interface ResolvedSource {
  readonly source: RootfsSource;
  readonly lower: string;
  readonly image: ImageConfig | undefined;
  /** config.json of a bundle. */
  readonly bundleSpec: Readonly<Record<string, unknown>> | undefined;
}
