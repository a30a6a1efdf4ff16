import type { RootfsMode } from './container-rootfs.ts';
import type { DeviceWhat, TapSpec } from './device-spec.ts';

/** What a caller wants of a sandbox, checked and frozen (daemon/api/convert makes it, nothing else). */
export interface SandboxSpec {
  readonly name: string;
  readonly metadata: { readonly name: string; readonly uid: string; readonly namespace: string; readonly attempt: number };
  readonly hostname: string;
  readonly dns: { readonly servers: readonly string[]; readonly searches: readonly string[]; readonly options: readonly string[] };
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly sharedPidNamespace: boolean;
  readonly profile: string;
  readonly overrides: Readonly<Record<string, string>>;
  /** What its containers are going to ask for; 0: the profile's default. */
  readonly workload: {
    readonly cpus: number;
    readonly memoryBytes: number;
    /** They start from images and use nothing else of the host, so that disks will do and nothing needs to be shared. */
    readonly images: boolean;
  };
  readonly autoRemove: boolean;
}

export type RootfsSource =
  | { readonly kind: 'image'; readonly name: string }
  | { readonly kind: 'path'; readonly path: string }
  | { readonly kind: 'bundle'; readonly path: string };

export interface Rlimit {
  /** `RLIMIT_NOFILE` form. */
  readonly type: string;
  readonly soft: bigint;
  readonly hard: bigint;
}

export interface TtySize {
  readonly rows: number;
  readonly columns: number;
}

export interface SecuritySpec {
  readonly privileged: boolean;
  /** `CAP_NET_ADMIN` form, or `ALL`. */
  readonly capAdd: readonly string[];
  readonly capDrop: readonly string[];
  readonly readOnlyRootfs: boolean;
  readonly noNewPrivileges: boolean;
  readonly sysctls: Readonly<Record<string, string>>;
  readonly rlimits: readonly Rlimit[];
  /** Empty: the default lists, unless `unmasked`. */
  readonly maskedPaths: readonly string[];
  readonly readonlyPaths: readonly string[];
  readonly unmasked: boolean;
  /** An OCI seccomp profile as JSON, or empty. */
  readonly seccompProfileJson: string;
}

export interface ContainerResources {
  /** CPUs of CFS quota; 0: no limit. */
  readonly cpus: number;
  readonly cpuShares: number;
  readonly cpusetCpus: string;
  readonly memoryBytes: number;
  readonly pidsLimit: number;
}

export type MountPropagation = 'private' | 'slave';

/** What a container sees at a path of its own, beside its root file system. */
export type MountSpec =
  | { readonly kind: 'bind'; readonly destination: string; readonly readOnly: boolean; readonly source: string; readonly recursive: boolean; readonly propagation: MountPropagation }
  /** `sizeBytes` 0: the container's memory limit, or a default. */
  | { readonly kind: 'tmpfs'; readonly destination: string; readonly readOnly: boolean; readonly sizeBytes: number; readonly mode: number }
  /** A volume by its name. `anonymous`: it was made for this mount, and has no other. */
  | { readonly kind: 'volume'; readonly destination: string; readonly readOnly: boolean; readonly name: string; readonly subPath: string; readonly noCopy: boolean; readonly anonymous: boolean };

/** A device node by its path: a block device of the host is plugged in as a disk; anything else is the guest's own of that path. */
export interface NodeSource {
  readonly kind: 'node';
  readonly path: string;
}

/** A device that a container sees at a path of its own. What is plugged in for it comes and goes with the container. */
export interface ContainerDevice {
  /** Empty: as the host calls it for a node, as the guest calls it for anything else. */
  readonly containerPath: string;
  /** Some of `r`, `w` and `m`. */
  readonly permissions: string;
  readonly what: Exclude<DeviceWhat, TapSpec> | NodeSource;
}

/** What a caller wants of a container, checked and frozen. */
export interface ContainerSpec {
  readonly name: string;
  readonly metadata: { readonly name: string; readonly attempt: number };
  readonly rootfs: RootfsSource;
  readonly rootfsMode: RootfsMode;
  readonly entrypoint: readonly string[];
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly workingDir: string;
  readonly user: string;
  readonly tty: boolean;
  readonly stdin: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly resources: ContainerResources;
  readonly security: SecuritySpec;
  readonly stopSignal: string;
  readonly shmSizeBytes: number;
  readonly ttySize: TtySize | undefined;
  readonly autoRemove: boolean;
  readonly mounts: readonly MountSpec[];
  readonly devices: readonly ContainerDevice[];
}

/** A further process in a container. */
export interface ExecSpec {
  readonly command: readonly string[];
  readonly env: readonly string[];
  readonly workingDir: string;
  readonly user: string;
  readonly tty: boolean;
  readonly stdin: boolean;
  readonly ttySize: TtySize | undefined;
  readonly privileged: boolean;
}
