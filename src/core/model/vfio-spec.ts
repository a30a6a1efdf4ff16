/** `guest-kernel`: a driver of the guest's takes it. `vfio`: it is bound to vfio-pci in the guest, for a program in a container that drives it. */
export type VfioMode = 'guest-kernel' | 'vfio';

/** A PCI device of the host's, as it is asked for. All of its IOMMU group goes with it. */
export interface VfioSpec {
  readonly kind: 'vfio';
  /** `0000:01:00.0`, `01:00.0`, `/dev/vfio/16`, or a directory below /sys. */
  readonly device: string;
  readonly mode: VfioMode;
}

/** One function of the group. Numbers in hexadecimal, as sysfs writes them, without `0x`. */
export interface HostFunction {
  readonly address: string;
  /** Class and subclass: `0200`. */
  readonly classCode: string;
  readonly vendor: string;
  readonly device: string;
  /** What it was with when it was looked at; empty: no driver. */
  readonly driver: string;
  /** -1: the host says nothing of it. */
  readonly numaNode: number;
  readonly express: boolean;
  /** Of all its BARs. */
  readonly barBytes: number;
}

/** What stands behind it on the host. */
export interface HostVfio {
  readonly kind: 'vfio';
  /** `/dev/vfio/16` */
  readonly path: string;
  readonly identity: string;
  readonly group: number;
  /** In the order of their addresses; bridges of the group are left out. */
  readonly functions: readonly HostFunction[];
}

/** One group of the host, as `viv doctor vfio` shows it. */
export interface VfioGroupView {
  readonly number: number;
  readonly functions: readonly (HostFunction & {
    readonly bridge: boolean;
    /** What the host uses it for; empty: nothing that shows. */
    readonly use: string;
    /** The sandbox that has it, and what it is called there; empty: none. */
    readonly sandboxId: string;
    readonly deviceId: string;
  })[];
  /** It can be given to a sandbox now. */
  readonly usable: boolean;
  /** Why not. */
  readonly reason: string;
  readonly remedy: string;
}

/** Whether PCI devices can be passed on here. */
export interface VfioReport {
  readonly checks: readonly VfioCheck[];
  readonly groups: readonly VfioGroupView[];
}

export interface VfioCheck {
  readonly name: string;
  readonly status: 'ok' | 'warn' | 'fail';
  readonly found: string;
  /** What to do about it; empty: nothing. */
  readonly remedy: string;
}
