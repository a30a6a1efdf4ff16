/**
 * The parts of the OCI runtime specification (1.0.2, config.md and config-linux.md) that we make. Keys are the specification's JSON keys.
 * Type aliases and not interfaces, so that a value of them is a `Record<string, unknown>` as well.
 */
export type OciUser = {
  readonly uid: number;
  readonly gid: number;
  readonly additionalGids: readonly number[];
};

export type OciCapabilities = {
  readonly bounding: readonly string[];
  readonly effective: readonly string[];
  readonly inheritable: readonly string[];
  readonly permitted: readonly string[];
  readonly ambient: readonly string[];
};

export type OciRlimit = {
  readonly type: string;
  readonly soft: bigint;
  readonly hard: bigint;
};

export type OciProcess = {
  readonly terminal: boolean;
  readonly consoleSize?: { readonly height: number; readonly width: number };
  readonly user: OciUser;
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly capabilities: OciCapabilities;
  readonly rlimits: readonly OciRlimit[];
  readonly noNewPrivileges: boolean;
  readonly oomScoreAdj: number;
};

export type OciMount = {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
};

export type OciNamespace = { readonly type: 'pid' | 'mount' | 'ipc' | 'uts' | 'cgroup' };

export type OciDevice = {
  readonly path: string;
  readonly type: string;
  readonly major: number;
  readonly minor: number;
  readonly fileMode: number;
  readonly uid: number;
  readonly gid: number;
};

/** Numbers that are left out mean every one. */
export type OciDeviceRule = {
  readonly allow: boolean;
  readonly type: string;
  readonly major?: number;
  readonly minor?: number;
  readonly access: string;
};

export type OciResources = {
  readonly cpu?: { readonly quota?: number; readonly period?: number; readonly shares?: number; readonly cpus?: string };
  readonly memory?: { readonly limit?: number; readonly reservation?: number; readonly swap?: number };
  readonly pids?: { readonly limit: number };
  readonly devices?: readonly OciDeviceRule[];
};

export type OciHook = {
  readonly path: string;
  readonly args: readonly string[];
  readonly env: readonly string[];
  /** Seconds. */
  readonly timeout?: number;
};

export type OciLinux = {
  readonly namespaces: readonly OciNamespace[];
  readonly devices: readonly OciDevice[];
  readonly resources: OciResources;
  readonly cgroupsPath: string;
  readonly sysctl: Readonly<Record<string, string>>;
  readonly maskedPaths: readonly string[];
  readonly readonlyPaths: readonly string[];
  readonly seccomp?: Readonly<Record<string, unknown>>;
};

export type OciRuntimeSpec = {
  readonly ociVersion: string;
  readonly process: OciProcess;
  readonly root: { readonly path: string; readonly readonly: boolean };
  readonly hostname: string;
  readonly mounts: readonly OciMount[];
  readonly hooks?: { readonly startContainer: readonly OciHook[] };
  readonly annotations: Readonly<Record<string, string>>;
  readonly linux: OciLinux;
};

export const OCI_VERSION = '1.0.2';
