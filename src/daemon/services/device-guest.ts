import { placeOf } from '../../core/machine/slot-map.ts';
import type { DeviceRecord, GuestDevice, GuestFunction, HostDevice } from '../../core/model/device-spec.ts';
import { DomainError } from '../../core/model/errors.ts';
import type { GuestAgent, GuestFeature } from '../../core/ports/agent.ts';
import type { WaitOptions } from '../../core/ports/host.ts';
import type { SandboxUnit } from './sandbox-unit.ts';

/** The guest's word on a device that the VMM has; undefined where its agent can't tell. */
export async function seenByGuest(unit: SandboxUnit, { slot, host }: DeviceRecord, options: WaitOptions = {}): Promise<GuestDevice | undefined> {
  switch (host.kind) {
    case 'disk': {
      const guest = await (await telling(unit, 'devices'))?.awaitDevice(placeOf(slot), options);
      if (guest === undefined || guest.sizeBytes === host.sizeBytes) return guest;
      throw new DomainError('AGENT_PROTOCOL', `the guest has a disk of ${guest.sizeBytes} bytes at ${placeOf(slot)}, where one of ${host.sizeBytes} was plugged in`, { sandboxId: unit.id });
    }
    case 'socket':
      return await (await telling(unit, 'devices'))?.awaitDevice(placeOf(slot));
    case 'tap': {
      const seen = await (await telling(unit, 'pci'))?.awaitFunction(placeOf(slot));
      return seen === undefined ? undefined : { pciAddress: seen.pciAddress, path: '', sizeBytes: 0, functions: [seen] };
    }
    case 'vfio': {
      const agent = await telling(unit, 'pci');
      if (agent === undefined) return undefined;
      const functions: GuestFunction[] = [];
      for (const place of placesOf(slot, host)) functions.push(await agent.awaitFunction(place, options));
      return { pciAddress: functions[0]?.pciAddress ?? '', path: functions.flatMap(({ nodes }) => nodes)[0] ?? '', sizeBytes: 0, functions };
    }
  }
}

/** Nothing in the guest holds it; DEVICE_IN_USE otherwise. */
export async function letGo(unit: SandboxUnit, { slot, host }: DeviceRecord): Promise<void> {
  const agent = await telling(unit, 'devices');
  for (const place of placesOf(slot, host)) await agent?.releaseDevice(place);
}

export async function goneInGuest(unit: SandboxUnit, { slot, host }: DeviceRecord): Promise<void> {
  const agent = await telling(unit, 'devices');
  for (const place of placesOf(slot, host)) await agent?.awaitDeviceGone(place);
}

function placesOf(slot: number, host: HostDevice): readonly string[] {
  return host.kind === 'vfio' ? host.functions.map((_, part) => placeOf(slot, part)) : [placeOf(slot)];
}

/** The agent, when it is one that tells of such devices. */
async function telling(unit: SandboxUnit, feature: GuestFeature): Promise<GuestAgent | undefined> {
  const agent = await unit.agent?.get();
  return agent !== undefined && (await agent.features()).has(feature) ? agent : undefined;
}
