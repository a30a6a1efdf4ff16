import type { KernelFiles } from './kernel-files.ts';
import { parsePciAddress } from './pci-address.ts';
import { isBridge, readFunction, type PciFunction } from './pci-function.ts';

export const GROUPS = '/sys/kernel/iommu_groups';

/** What an IOMMU can't keep apart: it is given away whole, or not at all. */
export interface IommuGroup {
  readonly number: number;
  /** What goes along when one of them does. */
  readonly functions: readonly PciFunction[];
  readonly bridges: readonly PciFunction[];
  /** Members that are no PCI functions. */
  readonly others: readonly string[];
}

/** Undefined: there is no such group. */
export async function readGroup(files: KernelFiles, number: number): Promise<IommuGroup | undefined> {
  const names = await files.names(`${GROUPS}/${number}/devices`);
  if (names.length === 0) return undefined;
  const others = names.filter((name) => parsePciAddress(name) === undefined);
  const read = await Promise.all(names.filter((name) => !others.includes(name)).map((name) => readFunction(files, name)));
  const members = read.filter((member) => member !== undefined);
  return { number, functions: members.filter((member) => !isBridge(member)), bridges: members.filter(isBridge), others };
}

/** In the order of their numbers. */
export async function groupNumbers(files: KernelFiles): Promise<readonly number[]> {
  return (await files.names(GROUPS)).filter((name) => /^\d+$/.test(name)).map(Number).sort((a, b) => a - b);
}

/** Where its user opens it. */
export function groupNode(number: number): string {
  return `/dev/vfio/${number}`;
}
