import type { GuestDevice, GuestFunction } from '../model/device-spec.ts';
import type { WaitOptions } from './host.ts';

/** An OCI runtime spec (runtime-spec 1.0), as far as we make and send it. */
export type OciSpec = Readonly<Record<string, unknown>>;

export interface GuestStorage {
  readonly driver: 'virtio-fs' | 'scsi' | 'blk' | 'ephemeral' | 'overlayfs' | 'local' | 'bind';
  readonly source: string;
  readonly fstype: string;
  readonly options: readonly string[];
  readonly mountPoint: string;
}

export interface SandboxSetup {
  readonly sandboxId: string;
  readonly hostname: string;
  /** Lines of resolv.conf. */
  readonly dns: readonly string[];
  readonly storages: readonly GuestStorage[];
  readonly sharedPidNamespace: boolean;
  /** Directory in the guest with the guest's own hooks; empty or absent: none. */
  readonly guestHookPath?: string;
}

/** A device of the guest that a container sees: one that was plugged in, by its place, or one that the guest has, by its path. */
export interface ContainerNode {
  /** As machine/slot-map.ts has it; empty: `vmPath` says it. */
  readonly place: string;
  readonly vmPath: string;
  readonly containerPath: string;
  readonly permissions: string;
}

export interface ContainerSetup {
  readonly containerId: string;
  readonly spec: OciSpec;
  readonly storages: readonly GuestStorage[];
  readonly devices: readonly ContainerNode[];
  readonly sharedPidNamespace: boolean;
}

export interface ProcessSetup {
  readonly containerId: string;
  readonly execId: string;
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly terminal: boolean;
  readonly uid: number;
  readonly gid: number;
  readonly additionalGids: readonly number[];
  readonly capabilities: readonly string[];
  readonly noNewPrivileges: boolean;
  readonly rlimits: readonly { readonly type: string; readonly soft: bigint; readonly hard: bigint }[];
}

/** A process in a guest: `execId` undefined is the container's first one. */
export interface ProcessKey {
  readonly containerId: string;
  readonly execId: string | undefined;
}

export interface GuestExit {
  readonly status: number;
  readonly atMs: number;
  readonly oomKilled: boolean;
}

export type OutputEvent =
  | { readonly kind: 'stdout' | 'stderr'; readonly offset: bigint; readonly data: Uint8Array }
  /** Bytes from..to are gone for good. `to` equals `from` when nobody counted them (an official agent that was reading while its channel broke). */
  | { readonly kind: 'lost'; readonly stream: 'stdout' | 'stderr'; readonly from: bigint; readonly to: bigint }
  /** Last. */
  | { readonly kind: 'exit'; readonly exit: GuestExit };

export interface GuestInfo {
  readonly agentVersion: string;
  readonly kernelRelease: string;
  readonly bootId: string;
  readonly memoryBytes: number;
  readonly cpus: number;
}

/**
 * What our daemon may ask of an agent beyond the kata protocol, and what not every agent that is out there can do: guests outlive upgrades of the daemon.
 * `names`: it keeps /etc/hostname and /etc/hosts for the containers of its sandbox. `devices`: it tells what is plugged into its guest; `pci`: of PCI devices of any kind as well.
 * `nodes`: it makes device nodes for containers; `rules`: and enforces who may open what.
 */
export type GuestFeature = 'names' | 'devices' | 'nodes' | 'rules' | 'pci';

export interface GuestProcess {
  readonly key: ProcessKey;
  /** 0: not started or ended. */
  readonly pid: number;
  readonly exit: GuestExit | undefined;
  readonly terminal: boolean;
  readonly paused: boolean;
  readonly stdout: { readonly written: bigint; readonly acked: bigint };
  readonly stderr: { readonly written: bigint; readonly acked: bigint };
  readonly stdinAccepted: bigint;
}

export interface ContainerUsage {
  readonly cpuTotalNs: bigint;
  readonly cpuUserNs: bigint;
  readonly cpuSystemNs: bigint;
  readonly throttledPeriods: bigint;
  readonly throttledNs: bigint;
  readonly memoryBytes: bigint;
  readonly memoryLimitBytes: bigint;
  readonly cacheBytes: bigint;
  readonly swapBytes: bigint;
  readonly pids: bigint;
}

export type AgentEvent =
  | { readonly kind: 'oom'; readonly containerId: string }
  /** Its first process is there and waits to be started. `pid` is a number of the guest's root pid namespace. Told by viv-agent alone. */
  | { readonly kind: 'created'; readonly containerId: string; readonly pid: number }
  | { readonly kind: 'lost'; readonly error: Error };

/**
 * What answers inside one guest. Every call has a deadline from the agents room's table and ends with AGENT_UNREACHABLE (the link is lost or
 * the deadline passed), AGENT_REFUSED (the guest's own words), AGENT_PROTOCOL (garbage), UNSUPPORTED (this agent has no such call), or the signal's reason.
 */
export interface GuestAgent {
  readonly kind: 'viv-agent' | 'kata' | 'none';
  /** In order, one listener. After `lost` every call fails; the owner connects anew. */
  onEvent(listener: (event: AgentEvent) => void): void;
  /** The VM is paused (true) or goes on: deadlines of the calls under way stand still meanwhile. */
  rest(resting: boolean): void;
  check(options?: WaitOptions): Promise<void>;
  info(options?: WaitOptions): Promise<GuestInfo>;
  /** What this agent says that it can do; asked at most once a connection. Nothing for an official agent. */
  features(options?: WaitOptions): Promise<ReadonlySet<GuestFeature>>;
  createSandbox(setup: SandboxSetup, options?: WaitOptions): Promise<void>;
  /** Asks the guest to sync and go down; the answer may be cut off by the end itself. */
  destroySandbox(options?: WaitOptions): Promise<void>;
  createContainer(setup: ContainerSetup, options?: WaitOptions): Promise<void>;
  startContainer(containerId: string, options?: WaitOptions): Promise<void>;
  removeContainer(containerId: string, options?: WaitOptions): Promise<void>;
  exec(setup: ProcessSetup, options?: WaitOptions): Promise<void>;
  /** `all`: every process of the container. */
  signal(key: ProcessKey, signal: number, all: boolean, options?: WaitOptions): Promise<void>;
  pauseContainer(containerId: string, options?: WaitOptions): Promise<void>;
  resumeContainer(containerId: string, options?: WaitOptions): Promise<void>;
  usage(containerId: string, options?: WaitOptions): Promise<ContainerUsage>;
  resizeTty(key: ProcessKey, rows: number, columns: number, options?: WaitOptions): Promise<void>;
  /** Prometheus text about the guest. */
  metrics(options?: WaitOptions): Promise<string>;
  setTime(epochMs: number, options?: WaitOptions): Promise<void>;
  reseed(bytes: Uint8Array, options?: WaitOptions): Promise<void>;
  /** What the agent keeps; UNSUPPORTED by an official agent. */
  processes(options?: WaitOptions): Promise<readonly GuestProcess[]>;
  /**
   * The output of a process from the given offsets, then its exit, then ends. Bytes stay in the guest until `ack`; at most 1 MiB a stream
   * beyond the acknowledged offset are sent, so a reader that does not ack slows the process down. `from` acknowledges what is below it. One reader a process: a second one ends the first.
   * `terminal` has to be told of a process with a terminal that an earlier connection started under an official agent, which has no way to ask.
   */
  output(key: ProcessKey, from: { stdout: bigint; stderr: bigint }, options?: WaitOptions & { readonly terminal?: boolean | undefined }): AsyncIterable<OutputEvent>;
  ack(key: ProcessKey, offsets: { stdout: bigint; stderr: bigint }): void;
  /** Resolves with the accepted offset once the bytes went into the process's pipe. Repeated bytes are dropped by offset. */
  writeStdin(key: ProcessKey, offset: bigint, data: Uint8Array, eof: boolean, options?: WaitOptions): Promise<bigint>;
  /** Resolves once the guest has a disk at this place (machine/slot-map.ts). DEADLINE with what it saw instead. The three need the feature `devices`. */
  awaitDevice(place: string, options?: WaitOptions): Promise<GuestDevice>;
  /** Resolves once the guest has a PCI function of any kind at this place, and its driver had the time to take it. DEADLINE. Needs the feature `pci`. */
  awaitFunction(place: string, options?: WaitOptions): Promise<GuestFunction>;
  /** What was written to the device is on it, and nothing in the guest holds it; DEVICE_IN_USE otherwise. */
  releaseDevice(place: string, options?: WaitOptions): Promise<void>;
  /** Resolves once the guest has nothing at this place. DEADLINE. */
  awaitDeviceGone(place: string, options?: WaitOptions): Promise<void>;
  /** Closes the channel; the guest goes on. */
  close(): void;
}

export interface AgentTarget {
  readonly kind: 'viv-agent' | 'kata' | 'none';
  readonly transport: 'virtio-serial' | 'hybrid-vsock' | 'vsock' | 'none';
  /** Unix socket of the port or of the hybrid vsock. */
  readonly socketPath: string;
  /** Where the link's tokens are kept (docs/protocols/agent-link.md). */
  readonly tokenFile: string;
}

export interface AgentConnector {
  /** Dials, agrees on a link, and waits until the agent answers Check. `deadlineMs` counts from now. Rejects BOOT_TIMEOUT at the deadline, AGENT_PROTOCOL, or the signal's reason. */
  connect(target: AgentTarget, options: { deadlineMs: number; signal?: AbortSignal | undefined }): Promise<GuestAgent>;
}
