import { toDomainError } from '../../core/model/errors.ts';
import type { VfioCheck, VfioGroupView, VfioReport } from '../../core/model/vfio-spec.ts';
import { VFIO_DRIVER } from './binder.ts';
import type { BindingMark, BindingMarks } from './binding-marks.ts';
import { mayPass } from './group-rules.ts';
import { useOfFunction, type DiskProbe } from './host-use.ts';
import { GROUPS, groupNode, groupNumbers, readGroup, type IommuGroup } from './iommu-group.ts';
import type { KernelFiles } from './kernel-files.ts';
import { isBridge, type PciFunction } from './pci-function.ts';
import { hostFunction } from './vfio-group.ts';

/** What there is to pass on, and what is missing for it. Touches nothing. */
export async function reportVfio(files: KernelFiles, disks: DiskProbe, marks: Pick<BindingMarks, 'all'>): Promise<VfioReport> {
  const [checks, numbers, taken] = await Promise.all([checksOf(files), groupNumbers(files), marks.all()]);
  const groups: VfioGroupView[] = [];
  for (const number of numbers) {
    const group = await readGroup(files, number);
    if (group !== undefined) groups.push(await viewOf(files, disks, group, taken));
  }
  return { checks, groups };
}

async function viewOf(files: KernelFiles, disks: DiskProbe, group: IommuGroup, taken: readonly BindingMark[]): Promise<VfioGroupView> {
  const uses = new Map<string, string>();
  for (const member of group.functions) {
    const use = member.driver === VFIO_DRIVER ? undefined : await useOfFunction(files, disks, member);
    if (use !== undefined) uses.set(member.address, use);
  }
  const view = (member: PciFunction): VfioGroupView['functions'][number] => {
    const mark = taken.find(({ address }) => address === member.address);
    return { ...hostFunction(member), bridge: isBridge(member), use: uses.get(member.address) ?? '', sandboxId: mark?.sandboxId ?? '', deviceId: mark?.deviceId ?? '' };
  };
  const functions = [...group.bridges, ...group.functions].map(view).sort((a, b) => (a.address < b.address ? -1 : 1));
  const holder = functions.find(({ sandboxId }) => sandboxId !== '');
  const refusal = holder === undefined ? await refusalOf(files, group, uses) : { reason: `device ${holder.deviceId} of sandbox ${holder.sandboxId}`, remedy: `viv device detach ${holder.sandboxId} ${holder.deviceId}` };
  return { number: group.number, functions, usable: refusal === undefined, reason: refusal?.reason ?? '', remedy: refusal?.remedy ?? '' };
}

async function refusalOf(files: KernelFiles, group: IommuGroup, uses: ReadonlyMap<string, string>): Promise<{ readonly reason: string; readonly remedy: string } | undefined> {
  const node = groupNode(group.number);
  try {
    mayPass({ asked: node, address: undefined, group, uses });
  } catch (error) {
    const { message, details } = toDomainError(error);
    return { reason: message, remedy: details.remedy ?? '' };
  }
  return (await files.isFree(node)) ? undefined : { reason: `a process has ${node} open`, remedy: `fuser -v ${node}` };
}

async function checksOf(files: KernelFiles): Promise<readonly VfioCheck[]> {
  const [units, numbers, driver, type1, container] = await Promise.all([
    files.names('/sys/class/iommu'), groupNumbers(files), files.realPath(`/sys/bus/pci/drivers/${VFIO_DRIVER}`), files.realPath('/sys/module/vfio_iommu_type1'), files.realPath('/dev/vfio/vfio'),
  ]);
  const isOn = numbers.length > 0;
  const loaded = (name: string, there: boolean): VfioCheck => ({ name, status: 'ok', found: there ? 'loaded' : 'not loaded yet: the first device loads it', remedy: there ? '' : `modprobe ${name}` });
  return [
    isOn ? { name: 'iommu', status: 'ok', found: `${units.length === 0 ? 'on' : units.join(', ')}; ${numbers.length} groups`, remedy: '' } : await iommuOff(files),
    loaded(VFIO_DRIVER, driver !== undefined),
    loaded('vfio_iommu_type1', type1 !== undefined),
    { name: 'container', status: 'ok', found: container === undefined ? '/dev/vfio/vfio comes with the modules' : container, remedy: '' },
  ];
}

/** Which of the three is missing: the hardware, the firmware's word, the kernel's. */
async function iommuOff(files: KernelFiles): Promise<VfioCheck> {
  const [cpu = '', line = '', tables] = await Promise.all([files.text('/proc/cpuinfo'), files.text('/proc/cmdline'), files.names('/sys/firmware/acpi/tables')]);
  const isIntel = cpu.includes('GenuineIntel');
  const table = ['DMAR', 'IVRS'].find((name) => tables.includes(name));
  const words = isIntel ? 'intel_iommu=on iommu=pt' : 'iommu=pt';
  if (table === undefined) return { name: 'iommu', status: 'fail', found: `off: ${GROUPS} is empty, and the firmware tells of none`, remedy: `switch ${isIntel ? 'VT-d' : 'AMD-Vi (IOMMU)'} on in the firmware's setup, then boot with ${words}` };
  const isAsked = words.split(' ').every((word) => line.includes(word));
  return { name: 'iommu', status: 'fail', found: `off: the firmware tells of one (${table}), and ${GROUPS} is empty`, remedy: isAsked ? 'see why the kernel does not use it: dmesg | grep -i -e DMAR -e IOMMU' : `boot the host with ${words} (GRUB_CMDLINE_LINUX in /etc/default/grub, then update-grub)` };
}
