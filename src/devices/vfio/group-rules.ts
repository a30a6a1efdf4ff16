import { DomainError } from '../../core/model/errors.ts';
import type { IommuGroup } from './iommu-group.ts';
import type { PciFunction } from './pci-function.ts';

/** Functions of one slot: they are put into one port together. */
const MOST_FUNCTIONS = 8;

export interface Wanted {
  /** What was asked for, for a person. */
  readonly asked: string;
  /** Undefined: the group as such was asked for. */
  readonly address: string | undefined;
  readonly group: IommuGroup;
  /** By address, what the host uses of the group. */
  readonly uses: ReadonlyMap<string, string>;
}

/** Whether a group can be given away. Pure. Throws UNSUPPORTED or DEVICE_IN_USE, with what stands against it. */
export function mayPass({ asked, address, group, uses }: Wanted): readonly PciFunction[] {
  if (address !== undefined && group.bridges.some((bridge) => bridge.address === address)) {
    throw new DomainError('UNSUPPORTED', `${address} is a bridge: it is the way to other devices and is not passed on`, { remedy: 'name a device behind it' });
  }
  if (group.functions.length === 0) throw new DomainError('UNSUPPORTED', `IOMMU group ${group.number} has nothing to pass on: ${[...group.bridges.map((bridge) => bridge.address), ...group.others].join(', ')}`, { remedy: 'see the groups with "viv doctor vfio"' });
  if (group.others.length > 0) throw new DomainError('UNSUPPORTED', `IOMMU group ${group.number} has members that are no PCI devices: ${group.others.join(', ')}`, { remedy: 'see the groups with "viv doctor vfio"' });
  const used = group.functions.find((member) => uses.has(member.address));
  if (used !== undefined) throw inUse(asked, address, used, uses.get(used.address) ?? '', group);
  if (group.functions.length > MOST_FUNCTIONS) {
    throw new DomainError('UNSUPPORTED', `IOMMU group ${group.number} has ${group.functions.length} devices, and one port takes ${MOST_FUNCTIONS}`, { remedy: 'move the device to a slot whose group is smaller (viv doctor vfio)' });
  }
  return group.functions;
}

function inUse(asked: string, address: string | undefined, used: PciFunction, use: string, group: IommuGroup): DomainError {
  const facts = { group: String(group.number), device: used.address, driver: used.driver };
  if (used.address === address) return new DomainError('DEVICE_IN_USE', `the host uses ${used.address}: ${use}`, { remedy: 'let go of it on the host first, or name another device', facts });
  return new DomainError('DEVICE_IN_USE', `${asked} goes with all of IOMMU group ${group.number}, and the host uses ${used.address} of it: ${use}`, {
    remedy: 'let go of that on the host first, or move the device to a slot with a group of its own',
    facts,
  });
}
