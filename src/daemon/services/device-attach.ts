import type { DeviceRecord, DeviceSpec, DeviceWhat } from '../../core/model/device-spec.ts';
import { DomainError, toDomainError } from '../../core/model/errors.ts';
import type { Phase } from '../../core/model/outcome.ts';
import type { WaitOptions } from '../../core/ports/host.ts';
import { plugIn, slotsOf } from './device-runs.ts';
import { PhaseTimer } from './phase-timer.ts';
import type { SandboxUnit } from './sandbox-unit.ts';

export interface Wanted {
  readonly spec: DeviceSpec;
  /** Id of the container that brings it; empty: it comes on its own. */
  readonly owner: string;
}

/** In its turn among the changes of its VM: from what is asked for to a device that VMM and guest have. The same again finds the first. */
export async function attachInTurn(unit: SandboxUnit, wanted: Wanted, options: WaitOptions): Promise<readonly Phase[]> {
  const { clock, metrics } = unit.deps;
  const timer = new PhaseTimer(clock);
  const asked = clock.monotonicMs();
  const work = async (): Promise<readonly Phase[]> => {
    timer.add('queue', asked, clock.monotonicMs());
    await unit.gate.through(() => attach(unit, wanted, timer));
    return timer.finishAs('device_attach', metrics);
  };
  const change = { subject: wanted.spec.id, verb: 'attach', spec: canonical(wanted), work };
  return await unit.hotplug.submit(change, options).catch((error: unknown) => { throw toDomainError(error).within({ sandboxId: unit.id }); });
}

async function attach(unit: SandboxUnit, wanted: Wanted, timer: PhaseTimer): Promise<void> {
  const { spec, owner } = wanted;
  if (isThere(unit, wanted)) return;
  mustRun(unit, 'attach a device');
  const host = await unit.deps.devices[spec.what.kind].prepare(spec);
  const { slot } = slotsOf(unit).allocate(spec.id);
  using use = unit.deps.uses.take(unit.record, spec, host);
  const device: DeviceRecord = { id: spec.id, spec, state: 'attaching', slot, host, guest: undefined, attachedAtMs: undefined, detail: '', owner };
  await timer.time('intent', () => unit.actor.commit({ target: 'new-device', device }));
  use[Symbol.dispose]();
  await plugIn(unit, device, timer);
}

/** Asked for before, by this caller or another. NAME_IN_USE when what has the id is something else; WRONG_STATE when it is on its way out. */
function isThere({ record }: SandboxUnit, wanted: Wanted): boolean {
  const { id } = wanted.spec;
  const device = record.devices.find((candidate) => candidate.id === id);
  if (device === undefined) return false;
  if (canonical(device) !== canonical(wanted)) {
    throw new DomainError('NAME_IN_USE', `sandbox ${record.name} has another device ${id}: ${device.host.path}`, { sandboxId: record.id, remedy: 'choose another id, or detach what has it' });
  }
  if (device.state === 'attached') return true;
  throw new DomainError('WRONG_STATE', `device ${id} is ${device.state}`, { sandboxId: record.id, remedy: device.state === 'kept' ? 'start the sandbox: that plugs it in' : 'wait until it is gone', facts: { state: device.state } });
}

/** What was not said is a key without a value before the record is written, and no key in one that was read: both are the same. */
function canonical({ spec, owner }: Wanted): string {
  const said = Object.entries(spec.what).filter(([, value]) => value !== undefined);
  return JSON.stringify([owner, ...said.sort(([a], [b]) => (a < b ? -1 : 1))]);
}

/** Found out before anything is touched. */
export function checkMachine({ record }: SandboxUnit, { kind }: DeviceWhat): void {
  const { profile, vmSpec } = record;
  const refuse = (what: string, remedy: string): DomainError => new DomainError('UNSUPPORTED', `sandbox ${record.name} takes no devices while it runs: ${what}`, { sandboxId: record.id, remedy });
  if (profile.machine === 'microvm') throw refuse('a microvm has no ports for them', 'use a profile with machine = "q35"');
  if ((vmSpec?.pciePorts ?? 0) === 0) throw refuse('its VM was made without ports', 'create it with a profile that has some (pcie_ports)');
  if (kind === 'vhost-user-blk' && vmSpec?.sharedFs === undefined) {
    throw new DomainError('UNSUPPORTED', `sandbox ${record.name} takes no vhost-user devices: the memory of its VM is its own, and their back ends work in it`, { sandboxId: record.id, remedy: 'use a profile with shared_fs = "virtiofs"' });
  }
  if (profile.agent === 'none') throw refuse('its guest has no agent that says whether it has them', 'use a profile whose guest has an agent (agent = "viv-agent")');
}

export function mustRun({ record }: SandboxUnit, what: string): void {
  if (record.state === 'ready' || record.state === 'running') return;
  const remedy = record.state === 'paused' ? 'resume it first' : 'start it first';
  throw new DomainError(record.state === 'recovering' ? 'RECOVERING' : 'WRONG_STATE', `cannot ${what}: sandbox ${record.name} is ${record.state}`, { sandboxId: record.id, remedy, facts: { state: record.state } });
}
