/** The flags of `run` and `create`, as commander hands them over; texts are read by the request builders. */
export interface ContainerFlags {
  readonly interactive?: boolean;
  readonly tty?: boolean;
  readonly rm?: boolean;
  readonly name?: string;
  readonly env: readonly string[];
  readonly workdir?: string;
  readonly user?: string;
  readonly cpus?: string;
  readonly cpuShares?: string;
  readonly cpusetCpus?: string;
  readonly memory?: string;
  readonly pidsLimit?: string;
  readonly rootfs?: string;
  readonly rootfsMode?: string;
  readonly bundle?: string;
  readonly label: readonly string[];
  readonly annotation: readonly string[];
  readonly entrypoint?: string;
  readonly privileged?: boolean;
  readonly capAdd: readonly string[];
  readonly capDrop: readonly string[];
  readonly readOnly?: boolean;
  readonly securityOpt: readonly string[];
  readonly ulimit: readonly string[];
  readonly shmSize?: string;
  readonly sysctl: readonly string[];
  readonly volume: readonly string[];
  readonly mount: readonly string[];
  readonly tmpfs: readonly string[];
  readonly device: readonly string[];
  readonly stopSignal?: string;
}

/** The flags that shape the sandbox which `run` and `create` make, when they don't join one. */
export interface SandboxFlags {
  readonly hostname?: string;
  readonly profile?: string;
  readonly set: readonly string[];
  readonly pid?: string;
  readonly dns: readonly string[];
  readonly dnsSearch: readonly string[];
  readonly dnsOption: readonly string[];
  readonly cpus?: string;
  readonly memory?: string;
}
