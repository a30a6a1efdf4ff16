import { UndoStack } from '../../base/async-stack.ts';
import { throwIfAborted } from '../../base/abort.ts';
import { SlotMap } from '../../core/machine/slot-map.ts';
import type { DeviceRecord, GuestDevice } from '../../core/model/device-spec.ts';
import { DomainError, toDomainError } from '../../core/model/errors.ts';
import type { WaitOptions } from '../../core/ports/host.ts';
import type { VmSession } from '../../core/ports/hypervisor.ts';
import { goneInGuest, letGo, seenByGuest } from './device-guest.ts';
import type { PhaseTimer } from './phase-timer.ts';
import { PlanRun } from './plan-run.ts';
import type { SandboxUnit } from './sandbox-unit.ts';
import { witnessed } from './witnessed.ts';

/** What no agent but ours tells. */
const UNCONFIRMED = "its guest's agent can't tell whether the guest has it: only the VMM says so";

/** The ports of its VM as its record has them. */
export function slotsOf(unit: SandboxUnit): SlotMap {
  const { vmSpec, devices } = unit.record;
  return SlotMap.rebuilt(vmSpec?.pciePorts ?? 0, devices.filter(({ state }) => state !== 'kept').map(({ slot, id }) => ({ slot, owner: id })), unit.strangeSlots);
}

/** From its intent to where VMM and guest both say that it is there. All undone on failure; what can't be stays unplugging. Rejects with the first reason. */
export async function plugIn(unit: SandboxUnit, device: DeviceRecord, timer: PhaseTimer): Promise<void> {
  const undo = new UndoStack();
  try {
    await takeSteps(unit, device, { timer, undo });
    undo.move();
  } catch (error) {
    await takeBack(unit, device, undo, error);
    throw error;
  }
}

/** Plugs in again what its sandbox had when it stopped. Nothing is undone on failure: the boot's own undo ends the VM. */
export async function replug(unit: SandboxUnit, timer: PhaseTimer, options: WaitOptions): Promise<void> {
  for (const { id, spec, owner, host: before } of unit.record.devices.filter(({ state }) => state === 'kept')) {
    throwIfAborted(options.signal);
    if (hasLostOwner(unit, owner)) {
      await unit.actor.commit({ target: 'device', id, kind: 'detach-requested' });
      continue;
    }
    const host = await unit.deps.devices[spec.what.kind].prepare(spec, { ...options, before }).catch((error: unknown) => { throw notReplugged(id, error); });
    using _use = unit.deps.uses.take(unit.record, spec, host);
    const { slot } = slotsOf(unit).allocate(id);
    const { devices } = await unit.actor.commit({ target: 'device', id, kind: 'replug-requested', patch: { host, slot } });
    const device = devices.find((candidate) => candidate.id === id);
    if (device !== undefined) await takeSteps(unit, device, { timer, undo: new UndoStack() });
  }
}

interface Taking {
  readonly timer: PhaseTimer;
  readonly undo: UndoStack;
}

async function takeSteps(unit: SandboxUnit, device: DeviceRecord, { timer, undo }: Taking): Promise<void> {
  const run = new PlanRun(unit, 'device-attach', timer);
  const { devices } = running(unit);
  const driver = unit.deps.devices[device.spec.what.kind];
  undo.defer(() => driver.release(device, unit.id));
  await run.step('host', () => driver.acquire(device, unit.id));
  undo.defer(() => devices.removeBackend(device));
  await run.step('backend', () => devices.addBackend(device));
  undo.defer(() => mustUnplug(unit, device));
  const { answer } = await run.step('plug', () => plugged(unit, device));
  const guest = await run.step('guest', answer);
  const patch = { guest, attachedAtMs: unit.deps.clock.wallMs(), detail: guest === undefined ? UNCONFIRMED : '' };
  const record = await unit.actor.commit({ target: 'device', id: device.id, kind: 'attached', patch });
  if (record.devices.find(({ id }) => id === device.id)?.state !== 'attached') {
    throw new DomainError('VMM_FAILED', `device ${device.id} went away while it was attached`, { sandboxId: unit.id, remedy: 'attach it again' });
  }
}

/** Locking a guest's memory for a PCI device takes the longer the larger it is, so its guest is asked afterwards: it waits for so long only. */
async function plugged(unit: SandboxUnit, device: DeviceRecord): Promise<{ readonly answer: () => Promise<GuestDevice | undefined> }> {
  const { devices } = running(unit);
  const plug = (): Promise<void> => devices.plug(device);
  if (device.host.kind === 'disk') {
    const { answer } = await witnessed((options) => seenByGuest(unit, device, options), plug);
    return { answer: () => answer };
  }
  await plug();
  return { answer: () => seenByGuest(unit, device) };
}

async function takeBack(unit: SandboxUnit, device: DeviceRecord, undo: UndoStack, error: unknown): Promise<void> {
  const { id } = device;
  try {
    await undo[Symbol.asyncDispose]();
    await unit.actor.commit({ target: 'device', id, kind: 'attach-failed' });
  } catch (problem) {
    unit.log.warn({ error: problem, device: id }, 'a failed attach could not be taken back');
    const detail = `not attached: ${toDomainError(error).message}; not taken back: ${toDomainError(problem).message}`;
    await unit.actor.commit({ target: 'device', id, kind: 'attach-stuck', patch: { detail } });
  }
}

async function mustUnplug(unit: SandboxUnit, { slot, id }: DeviceRecord): Promise<void> {
  if ((await running(unit).devices.unplug(slot)) === 'refused') throw new DomainError('WRONG_STATE', `the guest does not let go of device ${id}`, { sandboxId: unit.id });
}

/** From the request to where VMM and guest both say that it is gone, and what it stood on is given back. */
export async function plugOut(unit: SandboxUnit, device: DeviceRecord, how: { readonly force: boolean; readonly timer: PhaseTimer }): Promise<void> {
  const run = new PlanRun(unit, 'device-detach', how.timer);
  if (!how.force && device.state === 'attached') await run.step('let_go', () => letGo(unit, device));
  const { devices } = await unit.actor.commit({ target: 'device', id: device.id, kind: 'detach-requested' });
  const now = devices.find(({ id }) => id === device.id);
  if (now === undefined) return;
  const unplugged = now.state === 'unplugging' ? await unplug(unit, now, run) : undefined;
  await release(unit, now, run, unplugged?.gone);
}

/** Asks for it and waits. A guest that does not answer leaves it unplugging: its event finishes it, or a daemon that comes back. Answers what the guest says of it, still to come. */
async function unplug(unit: SandboxUnit, device: DeviceRecord, run: PlanRun<'device-detach'>): Promise<{ readonly gone: Promise<void> }> {
  const { id, slot } = device;
  const outcome = await run.step('unplug', () => running(unit).devices.unplug(slot)).catch(async (error: unknown) => {
    await unit.actor.commit({ target: 'device', id, kind: 'unplug-late', patch: { detail: toDomainError(error).message } });
    throw error;
  });
  // Not before: the kernel tells of a removal before it is done, so a guest that was asked earlier would look once too early.
  const gone = outcome === 'refused' ? Promise.resolve() : goneInGuest(unit, device);
  gone.catch(() => undefined);
  await unit.actor.commit({ target: 'device', id, kind: outcome === 'refused' ? 'unplug-refused' : 'unplugged', patch: { detail: '' } });
  if (outcome === 'refused') throw new DomainError('WRONG_STATE', `the guest refuses to let go of device ${id}`, { sandboxId: unit.id, remedy: 'stop using it in the guest first' });
  return { gone };
}

/** The VMM says that it is out. `gone`: what the guest says, when it was asked already. */
export async function release(unit: SandboxUnit, device: DeviceRecord, run: PlanRun<'device-detach'>, gone?: Promise<void>): Promise<void> {
  const { id } = device;
  try {
    await run.step('guest', () => gone ?? goneInGuest(unit, device));
    await run.step('backend', () => running(unit).devices.removeBackend(device));
    await run.step('host', () => unit.deps.devices[device.spec.what.kind].release(device, unit.id));
  } catch (error) {
    await unit.actor.commit({ target: 'device', id, kind: 'release-failed', patch: { detail: toDomainError(error).message } });
    throw error;
  }
  await unit.actor.commit({ target: 'device', id, kind: 'released' });
}

/** The VM is no more: what its devices stood on goes back to the host. Any number of times. */
export async function releaseAll(unit: SandboxUnit): Promise<void> {
  for (const device of unit.record.devices) await unit.deps.devices[device.spec.what.kind].release(device, unit.id);
}

/** It came with a container that is no more. */
export function hasLostOwner(unit: SandboxUnit, owner: string): boolean {
  return owner !== '' && !unit.record.containers.some(({ id }) => id === owner);
}

export function running(unit: SandboxUnit): VmSession {
  if (unit.session === undefined) throw new DomainError('VMM_EXITED', 'the VM has ended', { sandboxId: unit.id, remedy: 'start the sandbox again' });
  return unit.session;
}

function notReplugged(id: string, error: unknown): DomainError {
  const problem = toDomainError(error);
  return new DomainError(problem.reason, `device ${id} can't be plugged in again: ${problem.message}`, { ...problem.details, remedy: 'put it right, or detach the device from the stopped sandbox' });
}
