import { DomainError, invalidRequest } from '../../core/model/errors.ts';
import { GROUPS, groupNumbers, readGroup, type IommuGroup } from './iommu-group.ts';
import type { KernelFiles } from './kernel-files.ts';
import { parsePciAddress } from './pci-address.ts';
import { readFunction } from './pci-function.ts';

export interface Found {
  /** Undefined: the group as such was asked for. */
  readonly address: string | undefined;
  readonly group: IommuGroup;
}

/** Where the iommufd interface of newer kernels has a node for each device. */
const CDEV = /^\/dev\/vfio\/devices\/vfio\d+$/;
const GROUP_NODE = /^\/dev\/vfio\/(?:noiommu-)?(\d+)$/;

/**
 * The group that stands behind `/dev/vfio/16`, `0000:01:00.0`, `01:00.0` or a path in sysfs. INVALID_REQUEST for what is nothing of these or is
 * not there, UNSUPPORTED, HOST_RESOURCE where no IOMMU stands before the device.
 */
export async function discover(files: KernelFiles, asked: string): Promise<Found> {
  if (CDEV.test(asked)) throw new DomainError('UNSUPPORTED', `${asked} is IOMMUFD's node of a device, which needs a newer QEMU (9.0)`, { remedy: 'name the device by its address or by its group (/dev/vfio/NUMBER)' });
  if (asked.startsWith('/dev/vfio/noiommu-')) throw new DomainError('UNSUPPORTED', `${asked}: without an IOMMU the device could write to all of the host's memory`, { remedy: 'switch the IOMMU on (viv doctor vfio says how)' });
  const number = GROUP_NODE.exec(asked)?.[1];
  if (number !== undefined) return { address: undefined, group: await groupOf(files, Number(number), asked) };
  const address = await addressOf(files, asked);
  const member = address === undefined ? undefined : await readFunction(files, address);
  if (member === undefined) throw wrong(asked.startsWith('/') || address !== undefined ? `there is no PCI device ${asked}` : `${asked} is neither an address (0000:01:00.0), a group (/dev/vfio/16) nor a path below /sys`);
  if (member.group === undefined) throw await noGroup(files, member.address);
  return { address: member.address, group: await groupOf(files, member.group, asked) };
}

/** Of an address, or of a directory of sysfs, whatever way it is named. */
async function addressOf(files: KernelFiles, asked: string): Promise<string | undefined> {
  if (!asked.startsWith('/sys/')) return parsePciAddress(asked);
  const real = await files.realPath(asked);
  return real?.startsWith('/sys/devices/') === true ? parsePciAddress(real.slice(real.lastIndexOf('/') + 1)) : undefined;
}

async function groupOf(files: KernelFiles, number: number, asked: string): Promise<IommuGroup> {
  const group = await readGroup(files, number);
  if (group === undefined) throw wrong(`there is no IOMMU group ${number} (${asked})`);
  return group;
}

async function noGroup(files: KernelFiles, address: string): Promise<DomainError> {
  if ((await groupNumbers(files)).length > 0) return new DomainError('HOST_RESOURCE', `${address} is in no IOMMU group: no IOMMU stands before it`, { remedy: 'see which devices have one with "viv doctor vfio"' });
  return new DomainError('HOST_RESOURCE', `the host has no IOMMU groups (${GROUPS} is empty)`, {
    remedy: 'switch the IOMMU on in the firmware (VT-d, AMD-Vi), boot the host with intel_iommu=on iommu=pt (Intel), and look with "viv doctor vfio"',
  });
}

function wrong(description: string): DomainError {
  return invalidRequest([{ field: 'device.vfio.device', description }]);
}
