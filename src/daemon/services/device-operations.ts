import type { DeviceRecord, DeviceSpec } from '../../core/model/device-spec.ts';
import { DomainError, toDomainError } from '../../core/model/errors.ts';
import type { Phase } from '../../core/model/outcome.ts';
import type { Deps } from './deps.ts';
import { plugIn, plugOut, slotsOf } from './device-runs.ts';
import type { DeviceOperations, DeviceView, MutateOptions } from './facade.ts';
import { PhaseTimer } from './phase-timer.ts';
import type { Registry } from './registry.ts';
import type { SandboxUnit } from './sandbox-unit.ts';

/** Every verb on a device. */
export class Devices implements DeviceOperations {
  readonly #deps: Deps;
  readonly #registry: Registry;

  constructor(deps: Deps, registry: Registry) {
    this.#deps = deps;
    this.#registry = registry;
  }

  async attach(ref: string, spec: DeviceSpec, options: MutateOptions): Promise<{ readonly device: DeviceView; readonly phases: readonly Phase[] }> {
    const unit = this.#registry.sandbox(ref);
    checkMachine(unit);
    const timer = new PhaseTimer(this.#deps.clock);
    const asked = this.#deps.clock.monotonicMs();
    const work = async (): Promise<readonly Phase[]> => {
      timer.add('queue', asked, this.#deps.clock.monotonicMs());
      await unit.gate.through(() => this.#attach(unit, spec, timer));
      return timer.finishAs('device_attach', this.#deps.metrics);
    };
    const phases = await unit.hotplug.submit({ subject: spec.id, verb: 'attach', spec: canonical(spec), work }, options).catch(within(unit));
    return { device: this.get(unit.id, spec.id), phases };
  }

  async detach(ref: string, id: string, how: { readonly force: boolean }, options: MutateOptions): Promise<readonly Phase[]> {
    const unit = this.#registry.sandbox(ref);
    const timer = new PhaseTimer(this.#deps.clock);
    const asked = this.#deps.clock.monotonicMs();
    const work = async (): Promise<readonly Phase[]> => {
      timer.add('queue', asked, this.#deps.clock.monotonicMs());
      const device = unit.record.devices.find((candidate) => candidate.id === id);
      // The same request has detached it before.
      if (device === undefined && options.attempt?.begunAtMs !== undefined) return [];
      if (device === undefined) throw notFound(unit, id);
      if (device.state !== 'kept') mustRun(unit, 'detach a device');
      await unit.gate.through(() => plugOut(unit, device, { ...how, timer }));
      return timer.finishAs('device_detach', this.#deps.metrics);
    };
    return await unit.hotplug.submit({ subject: id, verb: 'detach', spec: String(how.force), work }, options).catch(within(unit));
  }

  get(ref: string, id: string): DeviceView {
    const { record } = this.#registry.sandbox(ref);
    const device = record.devices.find((candidate) => candidate.id === id);
    if (device === undefined) throw notFound({ record }, id);
    return { sandboxId: record.id, device };
  }

  list(ref: string): { readonly devices: readonly DeviceView[]; readonly freeSlots: number } {
    const unit = this.#registry.sandbox(ref);
    return { devices: unit.record.devices.map((device) => ({ sandboxId: unit.id, device })), freeSlots: slotsOf(unit).free };
  }

  async #attach(unit: SandboxUnit, spec: DeviceSpec, timer: PhaseTimer): Promise<void> {
    if (isThere(unit, spec)) return;
    mustRun(unit, 'attach a device');
    const host = await this.#deps.devices[spec.what.kind].prepare(spec);
    const { slot } = slotsOf(unit).allocate(spec.id);
    using use = this.#deps.disks.take(unit.record, spec.id, host, spec.what.readOnly);
    const device: DeviceRecord = { id: spec.id, spec, state: 'attaching', slot, host, guest: undefined, attachedAtMs: undefined, detail: '' };
    await timer.time('intent', () => unit.actor.commit({ target: 'new-device', device }));
    use[Symbol.dispose]();
    await plugIn(unit, device, timer);
  }
}

/** Asked for before, by this caller or another. NAME_IN_USE when what has the id is something else; WRONG_STATE when it is on its way out. */
function isThere({ record }: SandboxUnit, spec: DeviceSpec): boolean {
  const device = record.devices.find(({ id }) => id === spec.id);
  if (device === undefined) return false;
  if (canonical(device.spec) !== canonical(spec)) {
    throw new DomainError('NAME_IN_USE', `sandbox ${record.name} has another device ${spec.id}: ${device.host.path}`, { sandboxId: record.id, remedy: 'choose another id, or detach what has it' });
  }
  if (device.state === 'attached') return true;
  throw new DomainError('WRONG_STATE', `device ${spec.id} is ${device.state}`, { sandboxId: record.id, remedy: device.state === 'kept' ? 'start the sandbox: that plugs it in' : 'wait until it is gone', facts: { state: device.state } });
}

function canonical(spec: DeviceSpec): string {
  return JSON.stringify(Object.entries(spec.what).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Found out before anything is touched. */
function checkMachine({ record }: SandboxUnit): void {
  const { profile, vmSpec } = record;
  const refuse = (what: string, remedy: string): DomainError => new DomainError('UNSUPPORTED', `sandbox ${record.name} takes no devices while it runs: ${what}`, { sandboxId: record.id, remedy });
  if (profile.machine === 'microvm') throw refuse('a microvm has no ports for them', 'use a profile with machine = "q35"');
  if ((vmSpec?.pciePorts ?? 0) === 0) throw refuse('its VM was made without ports', 'create it with a profile that has some (pcie_ports)');
  if (profile.agent === 'none') throw refuse('its guest has no agent that says whether it has them', 'use a profile whose guest has an agent (agent = "viv-agent")');
}

function mustRun({ record }: SandboxUnit, what: string): void {
  if (record.state === 'ready' || record.state === 'running') return;
  const remedy = record.state === 'paused' ? 'resume it first' : 'start it first';
  throw new DomainError(record.state === 'recovering' ? 'RECOVERING' : 'WRONG_STATE', `cannot ${what}: sandbox ${record.name} is ${record.state}`, { sandboxId: record.id, remedy, facts: { state: record.state } });
}

function notFound({ record }: Pick<SandboxUnit, 'record'>, id: string): DomainError {
  return new DomainError('DEVICE_NOT_FOUND', `no device ${id} in sandbox ${record.name}`, { sandboxId: record.id, remedy: 'see what there is with "viv device ls"' });
}

function within({ id }: SandboxUnit): (error: unknown) => never {
  return (error) => { throw toDomainError(error).within({ sandboxId: id }); };
}
