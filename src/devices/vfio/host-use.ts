import { useOfDevice, type UseFiles } from '../host-uses.ts';
import type { KernelFiles } from './kernel-files.ts';
import type { PciFunction } from './pci-function.ts';

/** What tells whether the kernel has given a disk to somebody. */
export interface DiskProbe {
  /** As BlockHost has it: O_EXCL. */
  isFree(path: string): Promise<boolean>;
}

/** What the host uses a function for, in words; undefined: nothing that shows. Its disks that are mounted or held, and its NICs that routes go through. */
export async function useOfFunction(files: KernelFiles, disks: DiskProbe, { directory }: PciFunction): Promise<string | undefined> {
  return (await useOfDisks(files, disks, directory)) ?? (await useOfNics(files, directory));
}

async function useOfDisks(files: KernelFiles, disks: DiskProbe, directory: string): Promise<string | undefined> {
  const asUses: UseFiles = { text: async (path) => (await files.text(path)) ?? '', names: (path) => files.names(path) };
  for (const name of await membersOf(files, '/sys/class/block', directory)) {
    const number = await files.text(`/sys/class/block/${name}/dev`);
    if (number === undefined) continue;
    const use = await useOfDevice(asUses, number);
    if (use !== undefined) return use;
    if (!(await disks.isFree(`/dev/${name}`))) return `/dev/${name} is held: it is mounted, swapped to, or part of another device`;
  }
  return undefined;
}

async function useOfNics(files: KernelFiles, directory: string): Promise<string | undefined> {
  const nics = await membersOf(files, '/sys/class/net', directory);
  if (nics.length === 0) return undefined;
  const routes = await routesOf(files);
  for (const nic of nics) {
    for (const name of await withUppers(files, nic)) {
      const route = routes.get(name);
      if (route !== undefined) return name === nic ? `${nic} carries ${route}` : `${nic} is part of ${name}, which carries ${route}`;
    }
  }
  return undefined;
}

/** Of a class: those whose device lies below this directory. */
async function membersOf(files: KernelFiles, classDirectory: string, directory: string): Promise<readonly string[]> {
  const names = await files.names(classDirectory);
  const real = await Promise.all(names.map((name) => files.realPath(`${classDirectory}/${name}`)));
  return names.filter((_, at) => real[at]?.startsWith(`${directory}/`) === true);
}

/** The NIC, and whatever bond, bridge or VLAN is made of it. */
async function withUppers(files: KernelFiles, nic: string): Promise<readonly string[]> {
  const found = [nic];
  for (const name of found) {
    const uppers = (await files.names(`/sys/class/net/${name}`)).filter((entry) => entry.startsWith('upper_')).map((entry) => entry.slice('upper_'.length));
    found.push(...uppers.filter((upper) => !found.includes(upper)));
  }
  return found;
}

/** Interface → what goes through it: any route of IPv4 (`/proc/net/route`), the default one of IPv6 (`/proc/net/ipv6_route`: an address, its length, …, the interface last). */
async function routesOf(files: KernelFiles): Promise<ReadonlyMap<string, string>> {
  const routes = new Map<string, string>();
  const [v4, v6] = await Promise.all([files.text('/proc/net/route'), files.text('/proc/net/ipv6_route')]);
  for (const line of (v4 ?? '').split('\n').slice(1)) {
    const [name = '', destination, , , , , , mask] = line.split('\t').map((word) => word.trim());
    if (name === '') continue;
    const isDefault = destination === '00000000' && mask === '00000000';
    if (isDefault || !routes.has(name)) routes.set(name, isDefault ? "the host's default route" : 'routes of the host');
  }
  for (const line of (v6 ?? '').split('\n')) {
    const words = line.trim().split(/\s+/);
    const name = words.at(-1) ?? '';
    if (words[0] === '0'.repeat(32) && words[1] === '00' && name !== 'lo' && name !== '') routes.set(name, "the host's default route");
  }
  return routes;
}
