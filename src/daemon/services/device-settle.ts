import type { DeviceRecord } from '../../core/model/device-spec.ts';
import type { SandboxRecord } from '../../core/model/record.ts';
import type { AdoptOptions, VmEvent } from '../../core/ports/hypervisor.ts';
import { hasLostOwner, plugIn, plugOut, release, running } from './device-runs.ts';
import { PhaseTimer } from './phase-timer.ts';
import { PlanRun } from './plan-run.ts';
import type { SandboxUnit } from './sandbox-unit.ts';

type DeviceEvent = Extract<VmEvent, { readonly kind: 'device-unplugged' | 'device-unplug-refused' }>;

const MAY_CHANGE: ReadonlySet<SandboxRecord['state']> = new Set<SandboxRecord['state']>(['ready', 'running']);
const OVER: ReadonlySet<SandboxRecord['state']> = new Set<SandboxRecord['state']>(['stopping', 'stopped', 'failed', 'deleting']);

/** What a record says is in the ports of a VM that is found again. */
export function pluggedIn(record: SandboxRecord): NonNullable<AdoptOptions['plugged']> {
  return record.devices.filter(({ state }) => state !== 'kept').map(({ slot, spec, host, state }) => ({ slot, kind: spec.what.kind, functions: host.kind === 'vfio' ? host.functions.length : 1, settled: state === 'attached' }));
}

/** Disks of its containers' root file systems. Each comes and goes with its container, which settles it. */
export function unitsOf(record: SandboxRecord): NonNullable<AdoptOptions['units']> {
  return record.containers.flatMap(({ rootfs: { disks } }) => (disks === undefined ? [] : [disks.image.unit, disks.own.unit]));
}

/** The VMM tells of a device: whoever waits for it was told already, and its record follows, whether anybody asked or not. */
export function deviceTold(unit: SandboxUnit, { kind, slot }: DeviceEvent): void {
  const device = unit.record.devices.find((candidate) => candidate.slot === slot && candidate.state !== 'kept');
  if (device === undefined) return;
  const told = kind === 'device-unplugged' ? 'unplugged' : 'unplug-refused';
  unit.actor.commit({ target: 'device', id: device.id, kind: told }).then(
    () => { if (told === 'unplugged') settleDevice(unit, device.id); },
    (error: unknown) => { unit.log.error({ error, device: device.id }, 'what the VMM told of a device is not recorded'); },
  );
}

/** After a time in which nobody listened: what is half way is brought to its end, and what has gone is let go of. */
export function settleDevices(unit: SandboxUnit): void {
  for (const { id, state } of unit.record.devices) {
    if (state !== 'kept') settleDevice(unit, id);
  }
}

/** In its turn among the changes of this VM; a failure is in the log and in the device's record. */
function settleDevice(unit: SandboxUnit, id: string): void {
  const work = async (): Promise<void> => {
    // A guest that is paused answers once it is resumed.
    await unit.actor.until(({ state }) => MAY_CHANGE.has(state) || OVER.has(state));
    const device = unit.record.devices.find((candidate) => candidate.id === id);
    if (device === undefined || !MAY_CHANGE.has(unit.record.state)) return;
    await unit.gate.through(() => settle(unit, device));
  };
  unit.hotplug.submit({ subject: id, verb: 'settle', spec: '', work }).catch((error: unknown) => { unit.log.warn({ error, device: id }, 'a device is not settled'); });
}

async function settle(unit: SandboxUnit, device: DeviceRecord): Promise<void> {
  const timer = new PhaseTimer(unit.deps.clock);
  const { devices } = await running(unit).devices.list();
  const known = new Set(unit.record.devices.filter(({ state }) => state !== 'kept').map(({ slot }) => slot));
  unit.strangeSlots = devices.filter((slot) => !known.has(slot));
  const there = devices.includes(device.slot);
  switch (device.state) {
    case 'attaching':
      await plugIn(unit, device, timer);
      if (hasLostOwner(unit, device.owner)) await settleAgain(unit, device.id, timer);
      return;
    case 'attached':
      if (!there) await letGoOf(unit, device, timer);
      else if (hasLostOwner(unit, device.owner)) await plugOut(unit, device, { force: true, timer });
      return;
    case 'unplugging':
      if (there) await plugOut(unit, device, { force: true, timer });
      else await letGoOf(unit, device, timer);
      return;
    case 'releasing':
    case 'failed':
      await release(unit, device, new PlanRun(unit, 'device-detach', timer));
      return;
    case 'kept':
      return;
  }
}

/** What was finished for a container that is no more is taken out again. */
async function settleAgain(unit: SandboxUnit, id: string, timer: PhaseTimer): Promise<void> {
  const device = unit.record.devices.find((candidate) => candidate.id === id);
  if (device?.state === 'attached') await plugOut(unit, device, { force: true, timer });
}

/** It went while nobody listened. */
async function letGoOf(unit: SandboxUnit, device: DeviceRecord, timer: PhaseTimer): Promise<void> {
  await unit.actor.commit({ target: 'device', id: device.id, kind: 'unplugged', patch: { detail: '' } });
  await release(unit, device, new PlanRun(unit, 'device-detach', timer));
}
