import { UndoStack } from '../../base/async-stack.ts';
import { DomainError } from '../../core/model/errors.ts';
import type { Logger } from '../../core/ports/telemetry.ts';
import type { BindingMark, BindingMarks } from './binding-marks.ts';
import { groupNode } from './iommu-group.ts';
import { codeOf, type KernelFiles } from './kernel-files.ts';
import { pciDirectory } from './pci-address.ts';
import { readFunction, type PciFunction } from './pci-function.ts';

export const VFIO_DRIVER = 'vfio-pci';
const DRIVERS = '/sys/bus/pci/drivers';
const PROBE = '/sys/bus/pci/drivers_probe';

export interface BinderParts {
  readonly files: KernelFiles;
  readonly marks: BindingMarks;
  readonly bootId: string;
  /** Loads the driver; its words when it can't. */
  readonly loadDriver: () => Promise<string | undefined>;
  readonly log: Logger;
}

export type BindingOwner = Pick<BindingMark, 'sandboxId' | 'deviceId'>;

/** Takes functions from their drivers on the host for vfio-pci, and gives them back. */
export class VfioBinder {
  readonly #parts: BinderParts;

  constructor(parts: BinderParts) {
    this.#parts = parts;
  }

  /** All or none. What is taken already counts as done. Rejects HOST_RESOURCE or DEVICE_IN_USE, everything given back. */
  async take(addresses: readonly string[], owner: BindingOwner): Promise<void> {
    await this.#mustHaveDriver();
    await using undo = new UndoStack();
    for (const address of addresses) {
      // Before the first thing is touched: each of its steps may fail half way.
      undo.defer(() => this.#giveBackAfterFailure(address, owner));
      await this.#takeOne(address, owner);
    }
    undo.move();
  }

  /** The host has it as it was, unless it is another's. Any number of times. Rejects DEVICE_IN_USE while a VM still has it open, HOST_RESOURCE. */
  async giveBack(address: string, owner: BindingOwner): Promise<void> {
    const { files, marks, bootId } = this.#parts;
    const mark = await marks.read(address);
    if (mark === undefined || !isOf(mark, owner)) return;
    const found = await readFunction(files, address);
    // Pulled out of the host, or of a host that has booted since.
    if (found !== undefined && (mark.bootId === bootId || found.driver === VFIO_DRIVER)) await this.#restore(found, mark);
    await marks.remove(address);
  }

  /** The caller is told why the taking failed; what can't be given back now keeps its mark, and is tried again with it. */
  async #giveBackAfterFailure(address: string, owner: BindingOwner): Promise<void> {
    await this.giveBack(address, owner).catch((error: unknown) => { this.#parts.log.warn({ error, address }, 'a device that could not be taken is not given back yet'); });
  }

  async #takeOne(address: string, owner: BindingOwner): Promise<void> {
    const { files, marks, bootId } = this.#parts;
    const found = await readFunction(files, address);
    if (found === undefined) throw new DomainError('HOST_RESOURCE', `${address} is gone from the host`, { remedy: 'look with "viv doctor vfio"' });
    const mark = await marks.read(address);
    if (mark !== undefined && !isOf(mark, owner)) {
      throw new DomainError('DEVICE_IN_USE', `${address} is device ${mark.deviceId} of sandbox ${mark.sandboxId}`, { remedy: 'detach it there first', facts: { used_by: mark.sandboxId } });
    }
    if (mark === undefined) await marks.write({ address, ...owner, driver: found.driver, override: found.override, bootId });
    if (found.driver === VFIO_DRIVER) return;
    await this.#order(`${found.directory}/driver_override`, `${VFIO_DRIVER}\n`);
    if (found.driver !== '') await this.#order(`${DRIVERS}/${found.driver}/unbind`, address);
    await this.#order(PROBE, address);
    await this.#mustBe(address, VFIO_DRIVER);
  }

  async #restore(found: PciFunction, mark: BindingMark): Promise<void> {
    // It was the administrator's before it was ours.
    if (mark.driver === VFIO_DRIVER) return;
    if (found.driver === VFIO_DRIVER) await this.#mustBeFree(found);
    await this.#order(`${found.directory}/driver_override`, `${mark.override}\n`);
    if (found.driver === VFIO_DRIVER) await this.#order(`${DRIVERS}/${VFIO_DRIVER}/unbind`, found.address);
    if (mark.driver === '' || found.driver === mark.driver) return;
    if (await this.#isBound(found.address, mark.driver)) return;
    await this.#order(`${DRIVERS}/${mark.driver}/bind`, found.address);
    await this.#mustBe(found.address, mark.driver);
  }

  /** An unbind while a VM has it open would block the whole call in the kernel until it lets go. */
  async #mustBeFree({ address, group }: PciFunction): Promise<void> {
    if (group === undefined || (await this.#parts.files.isFree(groupNode(group)))) return;
    throw new DomainError('DEVICE_IN_USE', `${address} can't be given back to the host: a process has ${groupNode(group)} open`, { remedy: 'end that process (fuser -v names it); then it is given back' });
  }

  async #mustHaveDriver(): Promise<void> {
    const { files, loadDriver } = this.#parts;
    const isThere = async (): Promise<boolean> => (await files.realPath(`${DRIVERS}/${VFIO_DRIVER}`)) !== undefined;
    if (await isThere()) return;
    const problem = await loadDriver();
    if (await isThere()) return;
    throw new DomainError('HOST_RESOURCE', `the host has no driver ${VFIO_DRIVER}${problem === undefined ? '' : `: ${problem}`}`, { remedy: `load it with "modprobe ${VFIO_DRIVER}", and look with "viv doctor vfio"` });
  }

  async #mustBe(address: string, driver: string): Promise<void> {
    if (await this.#isBound(address, driver)) return;
    const is = (await readFunction(this.#parts.files, address))?.driver ?? '';
    throw new DomainError('HOST_RESOURCE', `${address} should be with the driver ${driver}, and is with ${is === '' ? 'none' : is}`, { remedy: `see what the kernel says of it (dmesg), then: echo ${address} > ${DRIVERS}/${driver}/bind` });
  }

  async #isBound(address: string, driver: string): Promise<boolean> {
    return (await this.#parts.files.realPath(`${pciDirectory(address)}/driver`))?.endsWith(`/${driver}`) === true;
  }

  async #order(file: string, text: string): Promise<void> {
    try {
      await this.#parts.files.write(file, text);
    } catch (error) {
      throw new DomainError('HOST_RESOURCE', `the kernel refuses ${JSON.stringify(text.trim())} in ${file}: ${codeOf(error) === '' ? String(error) : codeOf(error)}`, { cause: error, remedy: 'see what it says of that (dmesg)' });
    }
  }
}

function isOf(mark: BindingMark, { sandboxId, deviceId }: BindingOwner): boolean {
  return mark.sandboxId === sandboxId && mark.deviceId === deviceId;
}
