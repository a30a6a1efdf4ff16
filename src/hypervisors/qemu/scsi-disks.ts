import type { Clock, WaitOptions } from '../../core/ports/host.ts';
import type { UnitDisk, VmDisks } from '../../core/ports/hypervisor.ts';
import type { QmpArguments, QmpCommand, QmpResult } from '../qmp/protocol.ts';
import { QmpCommandError } from '../qmp/errors.ts';

/** The controller's id, and the bus that it is. */
export const CONTROLLER = 'scsi0';

/** The VMM lets go of a node some callbacks after its device is out. */
const IN_USE_MS = 5000;
const FIRST_RETRY_MS = 2;
const LAST_RETRY_MS = 50;

export interface ScsiDiskParts {
  readonly execute: <C extends QmpCommand>(command: C, args: QmpArguments<C>, options: WaitOptions) => Promise<QmpResult<C>>;
  readonly clock: Clock;
}

/** A disk's device and its node have one name, made of its number. */
export function unitName(unit: number): string {
  return `unit${unit}`;
}

/** The controller, for argv. One queue: what it serves is read once and cached by the guest. */
export function controllerArguments(): string[] {
  return ['-device', `virtio-scsi-pci,id=${CONTROLLER},num_queues=1,disable-legacy=on`];
}

/**
 * Arguments of blockdev-add. Pure. What a container writes outlives its VM, and not a power cut (as on a share): its flushes stay in the host's cache.
 */
export function unitNode({ unit, path, readOnly }: UnitDisk): Readonly<Record<string, unknown>> {
  const shared = { 'read-only': readOnly, 'cache': { 'direct': false, 'no-flush': !readOnly }, 'discard': readOnly ? 'ignore' : 'unmap' };
  return { 'driver': 'raw', 'node-name': unitName(unit), ...shared, 'file': { driver: 'file', filename: path, ...shared, 'auto-read-only': false } };
}

/** Arguments of device_add. Pure. Errors are the guest's to see: by default the VMM stops the whole VM when the host's disk is full. */
export function unitDevice({ unit, readOnly }: UnitDisk): Readonly<Record<string, unknown>> {
  return { 'driver': 'scsi-hd', 'id': unitName(unit), 'bus': `${CONTROLLER}.0`, 'scsi-id': 0, 'lun': unit, 'drive': unitName(unit), ...(readOnly ? {} : { werror: 'report', rerror: 'report' }) };
}

/** Disks on the controller: they come and go without a port, and without waiting for the guest. */
export class ScsiDisks implements VmDisks {
  readonly #parts: ScsiDiskParts;

  constructor(parts: ScsiDiskParts) {
    this.#parts = parts;
  }

  async add(disk: UnitDisk, options: WaitOptions = {}): Promise<void> {
    const { execute } = this.#parts;
    try {
      await execute('blockdev-add', unitNode(disk), options);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      const there = await this.#node(disk.unit, options);
      if (there === undefined) throw error;
      if (there.file !== undefined && there.file !== disk.path) {
        // Left by somebody who could not take it out.
        await this.remove(disk.unit, options);
        await execute('blockdev-add', unitNode(disk), options);
      }
    }
    await this.#unless(() => this.#hasDevice(disk.unit, options), this.#parts.execute('device_add', unitDevice(disk), options));
  }

  async remove(unit: number, options: WaitOptions = {}): Promise<void> {
    const { execute, clock } = this.#parts;
    await this.#unless(async () => !(await this.#hasDevice(unit, options)), execute('device_del', { id: unitName(unit) }, options));
    const deadline = clock.monotonicMs() + IN_USE_MS;
    for (let pause = FIRST_RETRY_MS; ; pause = Math.min(pause * 2, LAST_RETRY_MS)) {
      try {
        await execute('blockdev-del', { 'node-name': unitName(unit) }, options);
        return;
      } catch (error) {
        if (!isRefusal(error)) throw error;
        if ((await this.#node(unit, options)) === undefined) return;
        if (clock.monotonicMs() > deadline) throw error;
        await clock.sleep(pause, options);
      }
    }
  }

  /** A refusal to do what is done already is none. */
  async #unless(done: () => Promise<boolean>, work: Promise<unknown>): Promise<void> {
    try {
      await work;
    } catch (error) {
      if (!isRefusal(error) || !(await done())) throw error;
    }
  }

  async #node(unit: number, options: WaitOptions): Promise<QmpResult<'query-named-block-nodes'>[number] | undefined> {
    const nodes = await this.#parts.execute('query-named-block-nodes', { flat: true }, options);
    return nodes.find((node) => node['node-name'] === unitName(unit));
  }

  async #hasDevice(unit: number, options: WaitOptions): Promise<boolean> {
    const objects = await this.#parts.execute('qom-list', { path: '/machine/peripheral' }, options);
    return objects.some(({ name }) => name === unitName(unit));
  }
}

function isRefusal(error: unknown): boolean {
  return error instanceof Error && error.cause instanceof QmpCommandError;
}
