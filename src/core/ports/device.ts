import type { DeviceSpec, HostDisk } from '../model/device-spec.ts';
import type { WaitOptions } from './host.ts';

/** One kind of device on the host's side. */
export interface DeviceDriver {
  /**
   * Everything that can be found wrong with it before a thing is touched: INVALID_REQUEST with the field, DEVICE_IN_USE when the host uses it,
   * UNSUPPORTED, HOST_RESOURCE.
   */
  prepare(spec: DeviceSpec, options?: WaitOptions): Promise<HostDisk>;
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
