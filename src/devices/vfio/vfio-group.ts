import { DomainError } from '../../core/model/errors.ts';
import type { HostVfio, VfioSpec } from '../../core/model/vfio-spec.ts';
import { VFIO_DRIVER } from './binder.ts';
import { discover } from './discover.ts';
import { mayPass } from './group-rules.ts';
import { useOfFunction, type DiskProbe } from './host-use.ts';
import { groupNode } from './iommu-group.ts';
import type { KernelFiles } from './kernel-files.ts';
import type { PciFunction } from './pci-function.ts';

/**
 * What stands behind a request, found out before anything is touched: the whole group that goes with it. DEVICE_IN_USE when the host
 * uses any of it.
 */
export async function findVfio(files: KernelFiles, disks: DiskProbe, { device: asked }: Pick<VfioSpec, 'device'>): Promise<HostVfio> {
  const { address, group } = await discover(files, asked);
  const uses = new Map<string, string>();
  for (const member of group.functions) {
    const use = member.driver === VFIO_DRIVER ? undefined : await useOfFunction(files, disks, member);
    if (use !== undefined) uses.set(member.address, use);
  }
  const functions = mayPass({ asked, address, group, uses });
  const path = groupNode(group.number);
  return { kind: 'vfio', path, identity: `vfio:${group.number}`, group: group.number, functions: functions.map(hostFunction) };
}

/** A group is opened by one process at a time. */
export async function mustBeFree(files: KernelFiles, node: string, asked: string): Promise<void> {
  if (await files.isFree(node)) return;
  throw new DomainError('DEVICE_IN_USE', `${asked}: a process has ${node} open`, { remedy: 'end what uses it (fuser -v names it), or name another device' });
}

export function hostFunction({ address, classCode, vendor, device, driver, numaNode, express, bars }: PciFunction): HostVfio['functions'][number] {
  return { address, classCode, vendor, device, driver, numaNode, express, barBytes: bars.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) };
}
