import type { DeviceKind, DeviceSpec, HostDevice } from '../model/device-spec.ts';
import type { Mode } from '../model/outcome.ts';
import type { ProcessIdentity } from '../model/ledger.ts';
import type { ProcessEnd, WaitOptions } from './host.ts';

/** Everything a driver needs to start one VM. Sizes in bytes. */
export interface VmSpec {
  /** Shown in the process list and by the VMM: `viv-INSTANCE-SHORTID`. */
  readonly name: string;
  /** RFC 9562 text form with dashes. */
  readonly uuid: string;
  /** The sandbox's run directory: sockets and the launcher's directory live below it. */
  readonly runDir: string;
  readonly vmmPath: string;
  readonly accelerator: 'auto' | 'kvm' | 'tcg';
  readonly machine: 'q35' | 'microvm';
  readonly cpuModel: string;
  readonly cpus: number;
  readonly maxCpus: number;
  readonly memoryBytes: number;
  readonly hugepages: boolean;
  /** Empty PCI Express ports for devices that come later. */
  readonly pciePorts: number;
  readonly kernel: string;
  readonly initrd: string;
  readonly image: string;
  readonly kernelParams: string;
  /** A vhost-user-fs device; needs memory that is shared with virtiofsd. */
  readonly sharedFs: { readonly socketPath: string; readonly tag: string } | undefined;
  /** A SCSI controller for disks of images. */
  readonly diskController: boolean;
  readonly agentPort: boolean;
  readonly bootTimeoutMs: number;
}

/** What is written to the record once a VM runs, and is enough to find it again. */
export interface VmRef {
  readonly driver: 'qemu';
  readonly runDir: string;
  readonly process: ProcessIdentity;
  readonly argv: readonly string[];
}

export type VmEvent =
  /** The VM's clock stopped or went on, by us or by the VMM itself. */
  | { readonly kind: 'paused' }
  | { readonly kind: 'resumed' }
  /** The guest asked for the end; the process goes on until `ended`. */
  | { readonly kind: 'guest-shutdown'; readonly reason: string }
  | { readonly kind: 'guest-reboot' }
  | { readonly kind: 'guest-panic'; readonly detail: string }
  /** The monitor's connection is gone while the process lives; the driver reconnects by itself. */
  | { readonly kind: 'monitor-lost'; readonly detail: string }
  | { readonly kind: 'monitor-back' }
  /** The device in this port is out; also when the guest let go of it unasked. */
  | { readonly kind: 'device-unplugged'; readonly slot: number }
  /** The guest refuses to let go of it. */
  | { readonly kind: 'device-unplug-refused'; readonly slot: number }
  /** A VM that was found again, against its record: each difference in words. */
  | { readonly kind: 'compared'; readonly differences: readonly string[] };

export type VmStatus = 'running' | 'paused' | 'shutdown' | 'guest-panicked' | 'internal-error' | 'starting';

/** One device on its way into a port. */
export interface DevicePlug {
  readonly slot: number;
  readonly spec: DeviceSpec;
  readonly host: HostDevice;
}

export type UnplugOutcome = 'unplugged' | 'refused';

/** Ports, by what the VMM says is in them. */
export interface PluggedDevices {
  readonly devices: readonly number[];
  /** What devices stand on: of one that is out it may still be there. */
  readonly backends: readonly number[];
}

/** Devices that come and go while the VM runs. What is done already counts as done. All reject VMM_EXITED, VMM_FAILED, DEADLINE, or the signal's reason. */
export interface VmDevices {
  /** DEVICE_IN_USE when another process has it; HOST_RESOURCE with the VMM's words. */
  addBackend(plug: DevicePlug, options?: WaitOptions): Promise<void>;
  /** The VMM has it when this resolves; whether the guest has is the guest's to say. */
  plug(plug: DevicePlug, options?: WaitOptions): Promise<void>;
  /** Resolves when the VMM says that the device in this port is out, or that the guest refuses. DEADLINE: it may still go, and is told as an event then. */
  unplug(slot: number, options?: WaitOptions): Promise<UnplugOutcome>;
  removeBackend(plug: DevicePlug, options?: WaitOptions): Promise<void>;
  list(options?: WaitOptions): Promise<PluggedDevices>;
}

/** A disk on the controller of `diskController`, by its number there. */
export interface UnitDisk {
  readonly unit: number;
  readonly path: string;
  readonly readOnly: boolean;
}

/** Disks of root file systems. What is done already counts as done. All reject VMM_EXITED, VMM_FAILED, or the signal's reason. */
export interface VmDisks {
  add(disk: UnitDisk, options?: WaitOptions): Promise<void>;
  /** Without asking the guest, which has let go of it. */
  remove(unit: number, options?: WaitOptions): Promise<void>;
}

export interface VmSession {
  readonly ref: VmRef;
  /** Its launcher, the parent of its process. */
  readonly launcherPid: number;
  readonly mode: Pick<Mode, 'hypervisor' | 'hypervisorVersion' | 'accelerator' | 'acceleratorReason' | 'machine' | 'transport'>;
  /** Unix socket of the agent's port; undefined without one. */
  readonly agentSocket: string | undefined;
  /** Unix socket of the live console (launcher), and the files that keep its past, oldest first. */
  readonly consoleSocket: string;
  readonly consoleFiles: readonly string[];
  /** Resolves once when the VMM's process has ended. Never rejects. */
  readonly ended: Promise<ProcessEnd>;
  readonly devices: VmDevices;
  readonly disks: VmDisks;
  /** In order, one listener; events before it is set are kept. */
  onEvent(listener: (event: VmEvent) => void): void;
  status(options?: WaitOptions): Promise<VmStatus>;
  pause(options?: WaitOptions): Promise<void>;
  resume(options?: WaitOptions): Promise<void>;
  /** Asks the guest to shut down (ACPI). */
  powerDown(options?: WaitOptions): Promise<void>;
  /** Ends the VMM now; resolves when its process is gone. Works without its monitor. */
  kill(options?: WaitOptions): Promise<ProcessEnd>;
  consoleTail(bytes: number): Promise<string>;
  /** Lets go of the VM: closes our connections, the VM goes on. */
  release(): void;
}

export interface AcceleratorInfo {
  readonly name: 'kvm' | 'tcg';
  readonly usable: boolean;
  readonly reason: string;
}

export interface HypervisorInfo {
  readonly name: string;
  readonly path: string;
  readonly version: string;
  readonly usable: boolean;
  /** Why not, and what to do. */
  readonly reason: string;
  readonly accelerators: readonly AcceleratorInfo[];
  readonly capabilities: readonly string[];
  readonly machines: readonly string[];
}

export interface LaunchOptions extends WaitOptions {
  /** Called with each timed part. */
  readonly onPhase?: (name: string, startedMs: number, endedMs: number) => void;
  /** As LaunchSpec has them. */
  readonly cgroups?: readonly string[];
}

export interface AdoptOptions extends WaitOptions {
  /** What its record says is in its ports, with how many functions; of one that is not settled the VMM may or may not have it. */
  readonly plugged?: readonly { readonly slot: number; readonly kind: DeviceKind; readonly functions: number; readonly settled: boolean }[];
  /** Numbers of disks on its controller, of which the VMM may or may not have each. */
  readonly units?: readonly number[];
}

export interface HypervisorDriver {
  readonly name: 'qemu';
  /** Cached by the binary's identity and the host's boot. Never rejects: what does not work is said in it. */
  probe(vmmPath: string, options?: WaitOptions): Promise<HypervisorInfo>;
  /**
   * Starts the VM (running when this resolves, its guest still booting). On failure nothing of it is left running.
   * Rejects VMM_NOT_USABLE, VMM_FAILED, VMM_EXITED (with the stderr's tail), DEADLINE, or the signal's reason.
   */
  launch(spec: VmSpec, options: LaunchOptions): Promise<VmSession>;
  /** Connects to a VM that this or an earlier daemon started. Undefined when its process is gone. */
  adopt(ref: VmRef, spec: VmSpec, options: AdoptOptions): Promise<VmSession | undefined>;
}
