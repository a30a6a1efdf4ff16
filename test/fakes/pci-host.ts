import * as fs from 'node:fs/promises';
import { dirname, relative } from 'node:path';
import { nodeKernelFiles, type KernelFiles } from '../../src/devices/vfio/kernel-files.ts';

export interface FakeFunction {
  readonly address: string;
  readonly group?: number;
  readonly classCode?: string;
  readonly driver?: string;
  /** Bytes of its configuration space. */
  readonly config?: number;
  readonly nic?: string;
  readonly disk?: { readonly name: string; readonly number: string };
  readonly resource?: string;
}

/**
 * A host's PCI devices as a tree of files below a directory, laid out as the kernel's documentation has it (ABI/testing/sysfs-bus-pci,
 * sysfs-kernel-iommu_groups, driver-api/vfio), and a kernel that obeys what is written to `driver_override`, `unbind`, `drivers_probe` and `bind`.
 */
export class FakePciHost implements KernelFiles {
  readonly #root: string;
  readonly #files: KernelFiles;
  readonly #native = new Map<string, string>();
  /** Every order, as `FILE < TEXT`. */
  readonly orders: string[] = [];
  /** Orders to this file are refused with this code, as often as it says. */
  readonly refusals = new Map<string, { readonly code: string; times: number }>();
  /** Nodes that a process has open. */
  readonly open = new Set<string>();

  constructor(root: string) {
    this.#root = root;
    this.#files = nodeKernelFiles(root);
  }

  async text(path: string): Promise<string | undefined> {
    return await this.#files.text(path);
  }

  async names(path: string): Promise<readonly string[]> {
    return await this.#files.names(path);
  }

  async realPath(path: string): Promise<string | undefined> {
    return await this.#files.realPath(path);
  }

  async length(path: string): Promise<number> {
    return await this.#files.length(path);
  }

  async add(...functions: readonly FakeFunction[]): Promise<void> {
    for (const { address, group, classCode = '0200', driver = '', config = 4096, nic, disk, resource = '' } of functions) {
      const directory = `/sys/devices/pci0000:00/${address}`;
      await this.file(`${directory}/class`, `0x${classCode}00\n`);
      await this.file(`${directory}/vendor`, '0x8086\n');
      await this.file(`${directory}/device`, '0x10c9\n');
      await this.file(`${directory}/driver_override`, '(null)\n');
      await this.file(`${directory}/numa_node`, '-1\n');
      await this.file(`${directory}/config`, 'x'.repeat(config));
      await this.file(`${directory}/resource`, resource);
      await this.link(`/sys/bus/pci/devices/${address}`, directory);
      if (driver !== '') {
        await this.driver(driver);
        await this.link(`${directory}/driver`, `/sys/bus/pci/drivers/${driver}`);
        if (driver !== 'vfio-pci') this.#native.set(address, driver);
      }
      if (group !== undefined) {
        await this.link(`${directory}/iommu_group`, `/sys/kernel/iommu_groups/${group}`);
        await this.link(`/sys/kernel/iommu_groups/${group}/devices/${address}`, directory);
      }
      if (nic !== undefined) await this.link(`/sys/class/net/${nic}`, `${directory}/net/${nic}`);
      if (disk !== undefined) {
        await this.file(`${directory}/block/${disk.name}/dev`, `${disk.number}\n`);
        await this.file(`${directory}/block/${disk.name}/uevent`, `DEVNAME=${disk.name}\n`);
        await this.link(`/sys/class/block/${disk.name}`, `${directory}/block/${disk.name}`);
        await this.link(`/sys/dev/block/${disk.number}`, `${directory}/block/${disk.name}`);
      }
    }
  }

  async driver(name: string): Promise<void> {
    await fs.mkdir(`${this.#root}/sys/bus/pci/drivers/${name}`, { recursive: true });
  }

  async file(path: string, text: string): Promise<void> {
    await fs.mkdir(dirname(`${this.#root}${path}`), { recursive: true });
    await fs.writeFile(`${this.#root}${path}`, text);
  }

  async link(path: string, target: string): Promise<void> {
    const at = `${this.#root}${path}`;
    await fs.mkdir(dirname(at), { recursive: true });
    await fs.mkdir(`${this.#root}${target}`, { recursive: true });
    await fs.symlink(relative(dirname(at), `${this.#root}${target}`), at);
  }

  /** Each function with its driver, and what only one driver may take: `0000:01:00.0 e1000e`. */
  async drivers(): Promise<readonly string[]> {
    const addresses = await this.names('/sys/bus/pci/devices');
    return await Promise.all(addresses.map(async (address) => {
      const override = await this.#override(address);
      return [address, (await this.#driverOf(address)) ?? 'none', ...(override === '' ? [] : [`only ${override}`])].join(' ');
    }));
  }

  async isFree(path: string): Promise<boolean> {
    return !this.open.has(path);
  }

  async write(path: string, text: string): Promise<void> {
    this.orders.push(`${path} < ${text.trim()}`);
    const refusal = this.refusals.get(path);
    if (refusal !== undefined && refusal.times > 0) {
      refusal.times -= 1;
      throw refused(refusal.code);
    }
    const [, driver, verb] = /^\/sys\/bus\/pci\/drivers\/([^/]+)\/(bind|unbind)$/.exec(path) ?? [];
    if (path.endsWith('/driver_override')) await this.file(path, text.trim() === '' ? '(null)\n' : `${text.trim()}\n`);
    else if (path === '/sys/bus/pci/drivers_probe') await this.#probe(text);
    else if (driver !== undefined && verb === 'unbind') await this.#unbind(driver, text);
    else if (driver !== undefined && verb === 'bind') await this.#bind(driver, text);
    else throw refused('ENOENT');
  }

  async #probe(address: string): Promise<void> {
    const override = await this.#override(address);
    const driver = override === '' ? this.#native.get(address) : override;
    if (driver === undefined || (await this.#driverOf(address)) !== undefined || (await this.realPath(`/sys/bus/pci/drivers/${driver}`)) === undefined) return;
    await this.link(`/sys/devices/pci0000:00/${address}/driver`, `/sys/bus/pci/drivers/${driver}`);
  }

  async #unbind(driver: string, address: string): Promise<void> {
    if ((await this.#driverOf(address)) !== driver) throw refused('ENODEV');
    await fs.rm(`${this.#root}/sys/devices/pci0000:00/${address}/driver`);
  }

  async #bind(driver: string, address: string): Promise<void> {
    const override = await this.#override(address);
    const fits = override === '' ? this.#native.get(address) === driver : override === driver;
    if (!fits || (await this.#driverOf(address)) !== undefined) throw refused('ENODEV');
    await this.#probe(address);
  }

  async #override(address: string): Promise<string> {
    const text = (await this.text(`/sys/bus/pci/devices/${address}/driver_override`)) ?? '';
    return text === '(null)' ? '' : text;
  }

  async #driverOf(address: string): Promise<string | undefined> {
    return (await this.realPath(`/sys/bus/pci/devices/${address}/driver`))?.split('/').at(-1);
  }
}

function refused(code: string): Error {
  return Object.assign(new Error(`${code}: refused`), { code });
}
