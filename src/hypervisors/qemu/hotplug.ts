import { deadline, deferred, raceSignal, type Deferred } from '../../base/abort.ts';
import { DomainError, toDomainError } from '../../core/model/errors.ts';
import type { Clock, ProcessEnd, TapCall, WaitOptions } from '../../core/ports/host.ts';
import type { DevicePlug, PluggedDevices, UnplugOutcome, VmDevices, VmEvent } from '../../core/ports/hypervisor.ts';
import type { QmpArguments, QmpCommand, QmpResult } from '../qmp/protocol.ts';
import { QmpCommandError } from '../qmp/errors.ts';
import { PLUG_KINDS, type QmpCall } from './plug-kinds.ts';
import { deviceId, netdevName, slotOfDevice, slotOfNode, tapName } from './plug-names.ts';

/** A guest lets go of a device in tens of milliseconds, or when somebody in it stops using it. */
const UNPLUG_MS = 10_000;

export interface HotplugParts {
  /** Rejects VMM_EXITED when the VM has ended. */
  readonly execute: <C extends QmpCommand>(command: C, args: QmpArguments<C>, options: WaitOptions) => Promise<QmpResult<C>>;
  /** Makes a tap device where the VM's network is, and a network back end of it. */
  readonly tap: (call: Omit<TapCall, 'netns' | 'monitor'>, options: WaitOptions) => Promise<void>;
  readonly ended: Promise<ProcessEnd>;
  readonly exited: (end: ProcessEnd) => DomainError;
  readonly clock: Clock;
}

/** Plugs devices in and out of a VM that runs. Its events come from the session, in order. */
export class QemuHotplug implements VmDevices {
  readonly #parts: HotplugParts;
  readonly #unplugs = new Map<number, Deferred<UnplugOutcome>>();

  constructor(parts: HotplugParts) {
    this.#parts = parts;
  }

  async addBackend(plug: DevicePlug, options: WaitOptions = {}): Promise<void> {
    try {
      await this.#addBackend(plug, options);
    } catch (error) {
      // Done before, by a daemon that did not live to write it down.
      if (isRefusal(error) && (isThere(error) || (await this.list(options)).backends.includes(plug.slot))) return;
      throw explained(error, plug);
    }
  }

  async plug(plug: DevicePlug, options: WaitOptions = {}): Promise<void> {
    const done: string[] = [];
    try {
      for (const device of PLUG_KINDS[plug.spec.what.kind].devices(plug)) {
        await this.#parts.execute('device_add', device, options);
        done.push(String(device['id']));
      }
    } catch (error) {
      if (isRefusal(error) && (await this.list(options)).devices.includes(plug.slot)) return;
      // Functions of a slot that has no function 0 yet: the guest has not seen them, and they go at once.
      for (const id of done) await this.#parts.execute('device_del', { id }, options);
      throw explained(error, plug);
    }
  }

  async unplug(slot: number, options: WaitOptions = {}): Promise<UnplugOutcome> {
    const { clock, ended, exited } = this.#parts;
    // Before the command: its event may come before its answer.
    const outcome = this.#unplugs.get(slot) ?? deferred<UnplugOutcome>();
    this.#unplugs.set(slot, outcome);
    const reason = (): Error => new DomainError('DEADLINE', `the guest did not let go of the device within ${UNPLUG_MS / 1000} s`, { remedy: 'it goes once the guest lets go of it; its port stays reserved until then' });
    using limit = deadline({ ms: UNPLUG_MS, timer: (ms, callback) => clock.timer(ms, callback), reason, signals: [options.signal] });
    try {
      await this.#ask(slot, outcome, { signal: limit.signal });
      const dead = ended.then((end): never => { throw exited(end); });
      dead.catch(() => undefined);
      return await raceSignal(Promise.race([outcome.promise, dead]), limit.signal);
    } finally {
      if (this.#unplugs.get(slot) === outcome) this.#unplugs.delete(slot);
    }
  }

  async removeBackend({ slot, spec }: DevicePlug, options: WaitOptions = {}): Promise<void> {
    const call = PLUG_KINDS[spec.what.kind].removeBackend(slot);
    if (call === undefined) return;
    try {
      await this.#call(call, options);
    } catch (error) {
      if (isRefusal(error) && (isMissing(error) || (spec.what.kind === 'block' && !(await this.list(options)).backends.includes(slot)))) return;
      throw error;
    }
  }

  async list(options: WaitOptions = {}): Promise<PluggedDevices> {
    const { execute } = this.#parts;
    const [objects, nodes] = await Promise.all([execute('qom-list', { path: '/machine/peripheral' }, options), execute('query-named-block-nodes', { flat: true }, options)]);
    const defined = (slot: number | undefined): readonly number[] => (slot === undefined ? [] : [slot]);
    return { devices: objects.flatMap(({ name }) => defined(slotOfDevice(name))), backends: nodes.flatMap((node) => defined(slotOfNode(node['node-name'] ?? ''))) };
  }

  /** What the monitor heard, before anybody else is told. */
  heard(event: VmEvent): void {
    if (event.kind === 'device-unplugged') this.#unplugs.get(event.slot)?.resolve('unplugged');
    if (event.kind === 'device-unplug-refused') this.#unplugs.get(event.slot)?.resolve('refused');
  }

  async #addBackend(plug: DevicePlug, options: WaitOptions): Promise<void> {
    const { what } = plug.spec;
    if (what.kind === 'tap') {
      await this.#parts.tap({ name: tapName(plug.slot), queues: what.queues, netdev: { type: 'tap', id: netdevName(plug.slot) } }, options);
      return;
    }
    const call = PLUG_KINDS[what.kind].addBackend(plug);
    if (call !== undefined) await this.#call(call, options);
  }

  async #call({ command, args }: QmpCall, options: WaitOptions): Promise<void> {
    await this.#parts.execute(command, args, options);
  }

  async #ask(slot: number, outcome: Deferred<UnplugOutcome>, options: WaitOptions): Promise<void> {
    try {
      await this.#parts.execute('device_del', { id: deviceId(slot) }, options);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      // Out already; or asked for already, and the event is still to come.
      if (!(await this.list(options)).devices.includes(slot)) outcome.resolve('unplugged');
      else if (!/in the process of unplug/.test(toDomainError(error).message)) throw error;
    }
  }
}

/** In the words of the VMM for names of sockets and network back ends, which it does not list. */
function isThere(error: unknown): boolean {
  return /already exists|Duplicate ID/.test(toDomainError(error).message);
}

function isMissing(error: unknown): boolean {
  return /Chardev '.*' not found|Device '.*' not found/.test(toDomainError(error).message);
}

function isRefusal(error: unknown): boolean {
  return error instanceof Error && error.cause instanceof QmpCommandError;
}

/** QEMU's refusal as what it means for whoever asked. */
function explained(error: unknown, { host }: DevicePlug): unknown {
  if (!isRefusal(error)) return error;
  const words = toDomainError(error).message;
  if (/Failed to get .* lock/.test(words)) return new DomainError('DEVICE_IN_USE', `${host.path} is in use by another process: ${words}`, { cause: error, remedy: 'end what uses it, or give it to both read-only' });
  const remedy = host.kind === 'socket' ? 'start the back end, and have it listen there' : 'the VMM runs as root without capabilities: it opens what root may open by its permissions';
  return new DomainError('HOST_RESOURCE', `the VMM does not take ${host.path}: ${words}`, { cause: error, remedy });
}
