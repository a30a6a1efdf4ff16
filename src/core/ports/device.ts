import type { DeviceRecord, DeviceSpec, DeviceWhat, HostDevice } from '../model/device-spec.ts';
import type { WaitOptions } from './host.ts';

/**
 * One kind of device on the host's side. The way of every kind is the same, and what differs is here and in the hypervisor's table of kinds:
 * prepare (look, touch nothing) → record → acquire (take it from the host) → backend and plug (VMM) → seen by the guest; and back:
 * let go (guest) → unplug → gone in the guest → backend → release (give it back). A VM that ends gives all of its devices back.
 */
export interface DeviceDriver {
  /**
   * Everything that can be found wrong with it before a thing is touched: INVALID_REQUEST with the field, DEVICE_IN_USE when the host uses it,
   * UNSUPPORTED, HOST_RESOURCE. What `release` needs to undo everything is in the result, which is written down before `acquire`.
   */
  prepare(spec: DeviceSpec, options?: PrepareOptions): Promise<HostDevice>;
  /** Takes it from the host. Any number of times: what is done already counts as done. HOST_RESOURCE, DEVICE_IN_USE. */
  acquire(device: DeviceRecord, sandboxId: string, options?: WaitOptions): Promise<void>;
  /** The host has it back as it was. Any number of times, after an `acquire` that was never begun, broke off or is over. */
  release(device: DeviceRecord, sandboxId: string): Promise<void>;
}

export interface PrepareOptions extends WaitOptions {
  /** What stood behind it before its sandbox was stopped: what nobody asked for in particular stays the same. */
  readonly before?: HostDevice;
}

/** What a path in /dev stands for on the host. */
export interface HostNodes {
  /** The device to plug in; undefined: nothing that can be, so the guest's own of that name is meant. UNSUPPORTED for what would need a driver that is not there. */
  resolve(path: string): Promise<DeviceWhat | undefined>;
}

export interface HotplugChange<T> {
  /** The device that it is about. */
  readonly subject: string;
  readonly verb: string;
  /** What makes two changes with one verb the same. */
  readonly spec: string;
  readonly work: () => Promise<T>;
}

/** Changes of one VM's devices, one at a time in the order of asking. */
export interface HotplugQueue {
  /**
   * Runs `work` when all before it is over. An abort while it waits takes it out (unless somebody joined); once begun it goes on to its end, and
   * only the caller is let go. It joins the last change of its subject when that waits or runs and is the same; NAME_IN_USE when that has the
   * same verb and another spec.
   */
  submit<T>(change: HotplugChange<T>, options?: WaitOptions): Promise<T>;
}
