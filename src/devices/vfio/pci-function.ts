import { basename } from 'node:path';
import type { KernelFiles } from './kernel-files.ts';
import { pciDirectory } from './pci-address.ts';

/** A range of addresses that a device wants. */
export interface PciBar {
  readonly index: number;
  readonly sizeBytes: number;
  readonly prefetchable: boolean;
  readonly is64Bit: boolean;
}

/** One function of a PCI device, as sysfs shows it. */
export interface PciFunction {
  /** `0000:01:00.0` */
  readonly address: string;
  /** Below /sys/devices. */
  readonly directory: string;
  /** Base class and subclass: `0200` is a NIC of Ethernet. */
  readonly classCode: string;
  readonly vendor: string;
  readonly device: string;
  /** Empty: none has taken it. */
  readonly driver: string;
  /** The only driver that may take it; empty: any that fits. */
  readonly override: string;
  /** Undefined: no IOMMU stands before it. */
  readonly group: number | undefined;
  /** -1: the host says nothing of it. */
  readonly numaNode: number;
  /** Its configuration space is that of PCI Express. */
  readonly express: boolean;
  readonly bars: readonly PciBar[];
}

/** Of a conventional PCI device's configuration space. */
const CONVENTIONAL_BYTES = 256;
/** Of linux/ioport.h. */
const PREFETCH = 0x2000n;
const MEM_64 = 0x100000n;
const BARS = 6;
/** What a driver that was never named reads as (a NULL pointer as printf has it). */
const UNSAID = '(null)';

/** Undefined: there is no such function. */
export async function readFunction(files: KernelFiles, address: string): Promise<PciFunction | undefined> {
  const directory = await files.realPath(pciDirectory(address));
  if (directory === undefined) return undefined;
  const word = async (name: string): Promise<string> => (await files.text(`${directory}/${name}`)) ?? '';
  const [classText, vendor, device, override, numa, resource] = await Promise.all([word('class'), word('vendor'), word('device'), word('driver_override'), word('numa_node'), word('resource')]);
  const [length, driver, group] = await Promise.all([files.length(`${directory}/config`), files.realPath(`${directory}/driver`), files.realPath(`${directory}/iommu_group`)]);
  return {
    address,
    directory,
    classCode: classText.slice(2, 6),
    vendor: vendor.slice(2),
    device: device.slice(2),
    driver: driver === undefined ? '' : basename(driver),
    override: override === UNSAID ? '' : override,
    group: group === undefined ? undefined : Number(basename(group)),
    numaNode: numa === '' ? -1 : Number(numa),
    express: length > CONVENTIONAL_BYTES,
    bars: parseBars(resource),
  };
}

/** `resource`: begin, end and flags of each, one a line; the first six are the BARs. */
export function parseBars(text: string): readonly PciBar[] {
  return text.split('\n').slice(0, BARS).flatMap((line, index): readonly PciBar[] => {
    const [begin, end, flags] = line.split(' ').map((word) => (/^0x[0-9a-f]+$/i.test(word) ? BigInt(word) : undefined));
    if (begin === undefined || end === undefined || flags === undefined || end === 0n) return [];
    return [{ index, sizeBytes: Number(end - begin + 1n), prefetchable: (flags & PREFETCH) !== 0n, is64Bit: (flags & MEM_64) !== 0n }];
  });
}

/** Host bridges and PCI bridges: they are the way to a device and are never passed on. */
export function isBridge({ classCode }: PciFunction): boolean {
  return classCode === '0600' || classCode === '0604';
}
