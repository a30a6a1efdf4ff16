import type { DeviceRecord, DeviceSpec, HostDevice } from '../../core/model/device-spec.ts';
import { DomainError } from '../../core/model/errors.ts';
import type { DeviceDriver } from '../../core/ports/device.ts';
import type { VfioBinder } from './binder.ts';
import type { BindingMarks } from './binding-marks.ts';
import type { DiskProbe } from './host-use.ts';
import type { KernelFiles } from './kernel-files.ts';
import { findVfio, mustBeFree } from './vfio-group.ts';

export interface VfioDriverParts {
  readonly files: KernelFiles;
  readonly disks: DiskProbe;
  readonly marks: Pick<BindingMarks, 'read'>;
  readonly binder: VfioBinder;
}

/** PCI devices of the host, by their IOMMU group. */
export class VfioDriver implements DeviceDriver {
  readonly #parts: VfioDriverParts;

  constructor(parts: VfioDriverParts) {
    this.#parts = parts;
  }

  async prepare({ what }: DeviceSpec): Promise<HostDevice> {
    if (what.kind !== 'vfio') throw new DomainError('INTERNAL', `${what.kind} is no kind of PCI device`);
    if (what.mode === 'vfio') {
      throw new DomainError('UNSUPPORTED', 'mode=vfio needs an IOMMU in the guest, and its VM has none', { remedy: 'leave the mode out: a driver of the guest takes the device then' });
    }
    const found = await findVfio(this.#parts.files, this.#parts.disks, what);
    // What a sandbox of ours has is told with its name by whoever keeps the records; anybody else is found out by the kernel.
    const isOurs = (await Promise.all(found.functions.map(({ address }) => this.#parts.marks.read(address)))).some((mark) => mark !== undefined);
    if (!isOurs) await mustBeFree(this.#parts.files, found.path, what.device);
    return found;
  }

  async acquire(device: DeviceRecord, sandboxId: string): Promise<void> {
    await this.#parts.binder.take(addressesOf(device), { sandboxId, deviceId: device.id });
  }

  async release(device: DeviceRecord, sandboxId: string): Promise<void> {
    for (const address of addressesOf(device)) await this.#parts.binder.giveBack(address, { sandboxId, deviceId: device.id });
  }
}

function addressesOf({ host }: DeviceRecord): readonly string[] {
  return host.kind === 'vfio' ? host.functions.map(({ address }) => address) : [];
}
