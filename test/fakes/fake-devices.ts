import { deferred, raceSignal, type Deferred } from '../../src/base/abort.ts';
import { placeOf } from '../../src/core/machine/slot-map.ts';
import type { GuestDevice } from '../../src/core/model/device-spec.ts';
import { DomainError } from '../../src/core/model/errors.ts';
import type { SandboxRecord } from '../../src/core/model/record.ts';
import type { DeviceDriver } from '../../src/core/ports/device.ts';
import type { ProcessEnd, WaitOptions } from '../../src/core/ports/host.ts';
import type { Deps } from '../../src/daemon/services/deps.ts';
import { DeviceUses } from '../../src/daemon/services/device-uses.ts';
import { SerialHotplugQueue } from '../../src/devices/hotplug-queue.ts';
import { diskSpec } from './records.ts';
import type { DevicePlug, PluggedDevices, UnplugOutcome, VmDevices, VmEvent } from '../../src/core/ports/hypervisor.ts';

/** Disks that are whatever they are asked to be, and the real bookkeeping of them. */
export function deviceParts(world: { at(name: string): Promise<void> }, records: () => readonly SandboxRecord[]): Pick<Deps, 'devices' | 'hostNodes' | 'uses' | 'hotplugQueue'> {
  const prepare: DeviceDriver['prepare'] = async ({ what }) => {
    await world.at('prepare');
    if (what.kind === 'vfio') return { kind: 'vfio', path: '/dev/vfio/16', identity: 'vfio:16', group: 16, functions: [{ address: '0000:01:00.0', classCode: '0200', vendor: '8086', device: '10c9', driver: 'igb', numaNode: -1, express: true, barBytes: 4096 }] };
    if (what.kind === 'vhost-user-blk') return { kind: 'socket', path: what.socket, identity: `socket:${what.socket}` };
    if (what.kind === 'tap') return { kind: 'tap', path: '52:54:00:00:00:01', identity: 'tap' };
    return { kind: 'disk', path: what.path, identity: `file:${what.path}`, format: 'raw', isDevice: false, sizeBytes: 1 << 20 };
  };
  const acquire = async (): Promise<void> => { await world.at('host'); };
  const release = async (): Promise<void> => { await world.at('release-host'); };
  const resolve: Deps['hostNodes']['resolve'] = async (path) => (path.startsWith('/dev/sd') ? diskSpec('', { path }).what : undefined);
  return { devices: { 'vhost-user-blk': { prepare, acquire, release }, 'tap': { prepare, acquire, release }, 'block': { prepare, acquire, release }, vfio: { prepare, acquire, release } }, hostNodes: { resolve }, uses: new DeviceUses(records), hotplugQueue: () => new SerialHotplugQueue() };
}

/** The ports of a VM in memory, and the guest's view of them. Outlives the daemon, like its VM. */
export class FakeDevices implements VmDevices {
  readonly backends = new Map<number, DevicePlug>();
  readonly plugged = new Map<number, DevicePlug>();
  /** What the guest does when it is asked to let go. */
  answer: 'lets-go' | 'refuses' | 'is-silent' = 'lets-go';
  readonly #world: { at(name: string): Promise<void> };
  readonly #ended: Promise<ProcessEnd>;
  readonly #tell: (event: VmEvent) => void;
  readonly #unplugs = new Map<number, Deferred<UnplugOutcome>>();
  readonly #changes: Deferred<undefined>[] = [];

  constructor(world: { at(name: string): Promise<void> }, ended: Promise<ProcessEnd>, tell: (event: VmEvent) => void) {
    this.#world = world;
    this.#ended = ended;
    this.#tell = tell;
  }

  async addBackend(plug: DevicePlug): Promise<void> {
    await this.#reach('backend');
    this.backends.set(plug.slot, plug);
  }

  async plug(plug: DevicePlug): Promise<void> {
    await this.#reach('plug');
    this.plugged.set(plug.slot, plug);
    this.#changed();
  }

  async unplug(slot: number, options: WaitOptions = {}): Promise<UnplugOutcome> {
    await this.#reach('unplug');
    if (!this.plugged.has(slot)) return 'unplugged';
    const outcome = deferred<UnplugOutcome>();
    this.#unplugs.set(slot, outcome);
    if (this.answer === 'lets-go') this.guestLetsGo(slot);
    if (this.answer === 'refuses') this.#settle(slot, 'refused', { kind: 'device-unplug-refused', slot });
    if (this.answer === 'is-silent') throw new DomainError('DEADLINE', 'the guest did not let go of the device');
    return await raceSignal(outcome.promise, options.signal);
  }

  async removeBackend({ slot }: DevicePlug): Promise<void> {
    await this.#reach('remove-backend');
    if (this.plugged.has(slot)) throw new DomainError('VMM_FAILED', `node of port ${slot} is in use`);
    this.backends.delete(slot);
  }

  async list(): Promise<PluggedDevices> {
    await this.#reach('list');
    return { devices: [...this.plugged.keys()], backends: [...this.backends.keys()] };
  }

  /** Asked or not, in time or late. */
  guestLetsGo(slot: number): void {
    this.plugged.delete(slot);
    this.#changed();
    this.#settle(slot, 'unplugged', { kind: 'device-unplugged', slot });
  }

  /** Waits as a guest does: it is asked before the device comes. */
  async seen(place: string, signal: AbortSignal | undefined): Promise<GuestDevice> {
    const plug = await this.#until(() => [...this.plugged.values()].find(({ slot }) => placeOf(slot) === place), signal);
    return { pciAddress: `0000:0${plug.slot + 1}:00.0`, path: `/dev/vd${'abcdefgh'.charAt(plug.slot)}`, sizeBytes: plug.host.kind === 'disk' ? plug.host.sizeBytes : 0, functions: [] };
  }

  async gone(place: string, signal: AbortSignal | undefined): Promise<void> {
    await this.#until(() => ([...this.plugged.keys()].some((slot) => placeOf(slot) === place) ? undefined : true), signal);
  }

  async #until<T>(look: () => T | undefined, signal: AbortSignal | undefined): Promise<T> {
    for (let found = look(); ; found = look()) {
      if (found !== undefined) return found;
      const change = deferred<undefined>();
      this.#changes.push(change);
      await raceSignal(change.promise, signal);
    }
  }

  #changed(): void {
    for (const change of this.#changes.splice(0)) change.resolve(undefined);
  }

  #settle(slot: number, outcome: UnplugOutcome, event: VmEvent): void {
    this.#unplugs.get(slot)?.resolve(outcome);
    this.#unplugs.delete(slot);
    this.#tell(event);
  }

  async #reach(name: string): Promise<void> {
    const dead = this.#ended.then((): never => { throw new DomainError('VMM_EXITED', 'the VM has ended'); });
    dead.catch(() => undefined);
    await Promise.race([this.#world.at(name), dead]);
  }
}
