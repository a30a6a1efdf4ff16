import type { MountSpec, RootfsSource } from '../model/sandbox-spec.ts';
import type { ProcessEnd, WaitOptions } from './host.ts';
import type { RootfsKind } from '../model/outcome.ts';
import type { NamedImage } from './images.ts';

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
  /** Directories that make up its root file system, the topmost first; never written to. */
  readonly lowers: readonly string[];
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly env: readonly string[];
  readonly workingDir: string;
  readonly user: string;
  readonly stopSignal: string;
  /** Absolute paths whose content is data. */
  readonly volumes: readonly string[];
  readonly sizeBytes: number;
  readonly source: string;
  /** Undefined for one that came with the installation. */
  readonly pulled: NamedImage | undefined;
}

export interface ImageStore {
  /** By name, id, or an unambiguous beginning of an id. IMAGE_NOT_FOUND otherwise, with what there is; AMBIGUOUS_ID. */
  resolve(name: string): Promise<ImageConfig>;
  /** A pulled or imported one by its id, for a container that started from it: also one that has lost its names. IMAGE_NOT_FOUND. */
  kept(id: string): Promise<ImageConfig>;
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
  /** Overlay over the source's directories (the topmost first), visible in the share. Idempotent: mounting twice is once. ROOTFS_FAILED, STORAGE_FULL. */
  prepare(place: RootfsPlace, lowers: readonly string[], options?: WaitOptions): Promise<Rootfs>;
  /** Unmounts and moves the writable layer to trash (its content is removed later). Idempotent, for any half-made state. */
  remove(place: RootfsPlace): Promise<void>;
}

/** What a container's mount shows of the host, looked at and found fit. */
export interface HostMount {
  /** Its number among the container's mounts: its name in the share. */
  readonly index: number;
  /** Every link resolved. */
  readonly source: string;
  /** Below the source, and never out of it; empty: the source itself. */
  readonly subPath: string;
  readonly readOnly: boolean;
  readonly recursive: boolean;
  readonly propagation: 'private' | 'slave';
}

export interface HostMounts {
  /** Those that have a source on the host. INVALID_REQUEST with every field that is wrong. */
  resolve(mounts: readonly MountSpec[]): Promise<readonly HostMount[]>;
  /** Each in the share, as `CONTAINER/mounts/INDEX`. Idempotent. ROOTFS_FAILED. */
  prepare(place: RootfsPlace, mounts: readonly HostMount[], options?: WaitOptions): Promise<void>;
  /** Idempotent, for any half-made state; what is shown is never touched. */
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
  /** Directories, the topmost first; never none. */
  readonly lowers: readonly string[];
  readonly image: ImageConfig | undefined;
  /** config.json of a bundle. */
  readonly bundleSpec: Readonly<Record<string, unknown>> | undefined;
}
