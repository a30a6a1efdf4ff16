/** Why a sandbox or container ended; the closed list of `vivarium.v1.Cause`. First cause wins. */
export type Cause =
  | 'OPERATOR_STOP'
  | 'CONTAINER_EXIT'
  | 'GUEST_SHUTDOWN'
  | 'GUEST_REBOOT'
  | 'GUEST_PANIC'
  | 'GUEST_OOM'
  | 'HOST_OOM_KILL'
  | 'VMM_CRASH'
  | 'VMM_EXIT'
  | 'VMM_HUNG'
  | 'AGENT_LOST'
  | 'VIRTIOFSD_LOST'
  | 'BOOT_TIMEOUT'
  | 'RESOURCE_FAILURE'
  | 'IDENTITY_GATE_FAILED'
  | 'TTL'
  | 'IDLE'
  | 'HOST_REBOOT'
  | 'REAPED'
  | 'UNKNOWN';

/** One timed part of a long call. Milliseconds, from a monotonic clock. */
export interface Phase {
  readonly name: string;
  readonly offsetMs: number;
  readonly durationMs: number;
}

/** What was really used, after every fall-back. */
export interface Mode {
  readonly hypervisor: string;
  readonly hypervisorVersion: string;
  readonly accelerator: 'kvm' | 'tcg';
  /** Why, when it is not what was asked for; else empty. */
  readonly acceleratorReason: string;
  readonly machine: string;
  readonly transport: 'virtio-serial' | 'hybrid-vsock' | 'vsock' | 'none';
  readonly agent: 'viv-agent' | 'kata' | 'none';
  readonly agentVersion: string;
  readonly rootfs: RootfsKind | '';
  readonly guest: string;
  readonly profile: string;
}

export type RootfsKind = 'virtiofs' | 'block' | 'none';

/** How a process ended. */
export interface ExitStatus {
  /** 0..255; 128 + signal when a signal ended it. */
  readonly code: number;
  /** 0 when no signal ended it. */
  readonly signal: number;
  readonly oomKilled: boolean;
  /** Milliseconds since the epoch. */
  readonly atMs: number;
  readonly cause: Cause;
  readonly detail: string;
}

/** Something to know about a sandbox that runs all the same. */
export interface Condition {
  readonly name: string;
  readonly message: string;
  readonly sinceMs: number;
}
