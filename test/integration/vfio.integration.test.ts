import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DomainError } from '../../src/core/model/errors.ts';
import type { VfioReport } from '../../src/core/model/vfio-spec.ts';
import { reportVfio } from '../../src/devices/vfio/host-report.ts';
import { VfioBinder } from '../../src/devices/vfio/binder.ts';
import { BindingMarks } from '../../src/devices/vfio/binding-marks.ts';
import { VfioDriver } from '../../src/devices/vfio/vfio-driver.ts';
import { SystemFiles } from '../../src/host/files.ts';
import { FakePciHost } from '../fakes/pci-host.ts';
import { MemoryLogger } from '../fakes/memory-logger.ts';

const NIC = '0000:01:00.0';
const OWNER = { sandboxId: 'a'.repeat(32), deviceId: 'nic' };

let root: string;
let host: FakePciHost;
let held: Set<string>;

beforeEach(async () => {
  root = await fs.mkdtemp(join(tmpdir(), 'vv-vfio-'));
  host = new FakePciHost(root);
  held = new Set();
  await host.driver('vfio-pci');
});

afterEach(async () => { await fs.rm(root, { recursive: true, force: true }); });

async function found(device: string): Promise<unknown> {
  const driver = new VfioDriver({ files: host, disks: { isFree: async (path) => !held.has(path) }, marks: marks(), binder: binder() });
  return await driver.prepare({ id: 'nic', what: { kind: 'vfio', device, mode: 'guest-kernel' } }).catch(words);
}

async function report(): Promise<VfioReport> {
  return await reportVfio(host, { isFree: async (path) => !held.has(path) }, marks());
}

function words(error: unknown): unknown {
  return error instanceof DomainError ? `${error.reason}: ${error.message}` : error;
}

function marks(): BindingMarks {
  return new BindingMarks(`${root}/marks`, new SystemFiles(), (directory) => fs.readdir(directory).catch(() => []));
}

function binder(bootId = 'boot-1', loadDriver = async (): Promise<string | undefined> => 'not found'): VfioBinder {
  return new VfioBinder({ files: host, marks: marks(), bootId, loadDriver, log: new MemoryLogger() });
}

describe('a device to pass on', () => {
  beforeEach(async () => {
    await host.add(
      { address: NIC, group: 16, driver: 'igb', nic: 'eth1', resource: '0x00000000fe000000 0x00000000fe01ffff 0x0000000000040200\n0x0000002000000000 0x00000020ffffffff 0x000000000014220c\n' },
      { address: '0000:00:01.0', group: 16, classCode: '0604', driver: 'pcieport' },
      { address: '0000:02:00.0', group: 17, classCode: '0108', driver: 'nvme', disk: { name: 'nvme0n1', number: '259:0' }, config: 256 },
      { address: '0000:03:00.0', driver: 'snd', classCode: '0403' },
    );
  });

  it.each([NIC, '01:00.0', '/dev/vfio/16', `/sys/bus/pci/devices/${NIC}`, `/sys/devices/pci0000:00/${NIC}`])('is found as %s, its bridge left out', async (device) => {
    expect(await found(device)).toEqual({
      kind: 'vfio', path: '/dev/vfio/16', identity: 'vfio:16', group: 16,
      functions: [{ address: NIC, classCode: '0200', vendor: '8086', device: '10c9', driver: 'igb', numaNode: -1, express: true, barBytes: 0x20000 + 0x1_0000_0000 }],
    });
  });

  it('is conventional PCI when its configuration space is short', async () => {
    expect(await found('02:00.0')).toMatchObject({ functions: [{ express: false }] });
  });

  it.each([
    ['0000:09:00.0', 'INVALID_REQUEST: invalid request: device.vfio.device: there is no PCI device 0000:09:00.0'],
    ['eth1', 'INVALID_REQUEST: invalid request: device.vfio.device: eth1 is neither an address (0000:01:00.0), a group (/dev/vfio/16) nor a path below /sys'],
    ['/sys/class/net/eth1', 'INVALID_REQUEST: invalid request: device.vfio.device: there is no PCI device /sys/class/net/eth1'],
    ['/dev/vfio/99', 'INVALID_REQUEST: invalid request: device.vfio.device: there is no IOMMU group 99 (/dev/vfio/99)'],
    ['/dev/vfio/devices/vfio3', "UNSUPPORTED: /dev/vfio/devices/vfio3 is IOMMUFD's node of a device, which needs a newer QEMU (9.0)"],
    ['/dev/vfio/noiommu-1', "UNSUPPORTED: /dev/vfio/noiommu-1: without an IOMMU the device could write to all of the host's memory"],
    ['0000:03:00.0', 'HOST_RESOURCE: 0000:03:00.0 is in no IOMMU group: no IOMMU stands before it'],
    ['0000:00:01.0', 'UNSUPPORTED: 0000:00:01.0 is a bridge: it is the way to other devices and is not passed on'],
  ])('named %s is refused', async (device, refusal) => {
    expect(await found(device)).toBe(refusal);
  });

  it('is refused while the default route of the host goes through it, or through what is made of it', async () => {
    await host.file('/proc/net/route', 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\neth1\t00000000\t0102000A\t0003\t0\t0\t0\t00000000\n');
    expect(await found(NIC)).toBe("DEVICE_IN_USE: the host uses 0000:01:00.0: eth1 carries the host's default route");
    await host.file('/proc/net/route', '');
    await host.file('/proc/net/ipv6_route', `${'0'.repeat(32)} 00 ${'0'.repeat(32)} 00 fe80 00000400 00000001 00000000 00000003    br0\n`);
    await host.link('/sys/class/net/eth1/upper_br0', '/sys/devices/virtual/net/br0');
    expect(await found(NIC)).toBe("DEVICE_IN_USE: the host uses 0000:01:00.0: eth1 is part of br0, which carries the host's default route");
  });

  it('is refused while its disk is mounted, or held', async () => {
    await host.file('/proc/self/mountinfo', '22 1 259:0 / / rw - ext4 /dev/nvme0n1 rw\n');
    expect(await found('02:00.0')).toBe('DEVICE_IN_USE: the host uses 0000:02:00.0: /dev/nvme0n1 is mounted on /');
    await host.file('/proc/self/mountinfo', '');
    held.add('/dev/nvme0n1');
    expect(await found('02:00.0')).toBe('DEVICE_IN_USE: the host uses 0000:02:00.0: /dev/nvme0n1 is held: it is mounted, swapped to, or part of another device');
  });

  it('is refused for what else is in its group', async () => {
    await host.add({ address: '0000:01:00.1', group: 16, classCode: '0108', driver: 'nvme', disk: { name: 'nvme1n1', number: '259:9' } });
    expect(await found(NIC)).toMatchObject({ functions: [{ address: NIC }, { address: '0000:01:00.1' }] });
    await host.file('/proc/self/mountinfo', '22 1 259:9 / /data rw - ext4 /dev/nvme1n1 rw\n');
    expect(await found(NIC)).toBe('DEVICE_IN_USE: 0000:01:00.0 goes with all of IOMMU group 16, and the host uses 0000:01:00.1 of it: /dev/nvme1n1 is mounted on /data');
  });

  it('is refused while another process has its group open', async () => {
    host.open.add('/dev/vfio/16');
    expect(await found(NIC)).toBe('DEVICE_IN_USE: 0000:01:00.0: a process has /dev/vfio/16 open');
    await marks().write({ address: NIC, ...OWNER, driver: 'igb', override: '', bootId: 'boot-1' });
    expect(await found(NIC), 'a sandbox of ours is named by the records').toMatchObject({ group: 16 });
  });
});

it('a host without an IOMMU says so, and what to do', async () => {
  await host.add({ address: NIC, driver: 'igb' });
  expect(await found(NIC)).toBe('HOST_RESOURCE: the host has no IOMMU groups (/sys/kernel/iommu_groups is empty)');
});

describe('the report for viv doctor vfio', () => {
  it('has every group with its drivers and uses, and who has it', async () => {
    await host.add(
      { address: NIC, group: 16, driver: 'igb' },
      { address: '0000:00:01.0', group: 16, classCode: '0604', driver: 'pcieport' },
      { address: '0000:02:00.0', group: 17, classCode: '0108', driver: 'nvme', disk: { name: 'nvme0n1', number: '259:0' } },
      { address: '0000:00:00.0', group: 2, classCode: '0600' },
    );
    await host.file('/proc/self/mountinfo', '22 1 259:0 / / rw - ext4 /dev/nvme0n1 rw\n');
    await binder().take([NIC], OWNER);
    const { checks, groups } = await report();
    expect(groups.map(({ number, usable, reason }) => [number, usable, reason])).toEqual([
      [2, false, 'IOMMU group 2 has nothing to pass on: 0000:00:00.0'],
      [16, false, `device nic of sandbox ${OWNER.sandboxId}`],
      [17, false, '/dev/vfio/17 goes with all of IOMMU group 17, and the host uses 0000:02:00.0 of it: /dev/nvme0n1 is mounted on /'],
    ]);
    expect(groups[1]?.functions.map(({ address, bridge, driver, sandboxId }) => [address, bridge, driver, sandboxId])).toEqual([['0000:00:01.0', true, 'pcieport', ''], [NIC, false, 'vfio-pci', OWNER.sandboxId]]);
    expect(checks.map(({ name, status }) => [name, status])).toEqual([['iommu', 'ok'], ['vfio-pci', 'ok'], ['vfio_iommu_type1', 'ok'], ['container', 'ok']]);
    await binder().giveBack(NIC, OWNER);
    expect((await report()).groups[1]).toMatchObject({ usable: true, reason: '' });
  });

  it.each([
    [{}, 'off: /sys/kernel/iommu_groups is empty, and the firmware tells of none', "switch AMD-Vi (IOMMU) on in the firmware's setup, then boot with iommu=pt"],
    [{ '/proc/cpuinfo': 'vendor_id : GenuineIntel', '/sys/firmware/acpi/tables/DMAR': '' }, 'off: the firmware tells of one (DMAR), and /sys/kernel/iommu_groups is empty', 'boot the host with intel_iommu=on iommu=pt (GRUB_CMDLINE_LINUX in /etc/default/grub, then update-grub)'],
    [{ '/proc/cmdline': 'iommu=pt', '/sys/firmware/acpi/tables/IVRS': '' }, 'off: the firmware tells of one (IVRS), and /sys/kernel/iommu_groups is empty', 'see why the kernel does not use it: dmesg | grep -i -e DMAR -e IOMMU'],
  ])('says what is missing where there is no IOMMU', async (texts, found, remedy) => {
    for (const [path, text] of Object.entries(texts)) await host.file(path, text);
    expect((await report()).checks[0]).toEqual({ name: 'iommu', status: 'fail', found, remedy });
  });
});

describe('a driver of the host', () => {
  beforeEach(async () => {
    await host.add({ address: NIC, group: 16, driver: 'igb' }, { address: '0000:01:00.1', group: 16, driver: 'igb' });
  });

  it('is taken away and given back', async () => {
    await binder().take([NIC, '0000:01:00.1'], OWNER);
    expect(await host.drivers()).toEqual([`${NIC} vfio-pci only vfio-pci`, '0000:01:00.1 vfio-pci only vfio-pci']);
    expect(host.orders.slice(0, 3)).toEqual([
      `/sys/devices/pci0000:00/${NIC}/driver_override < vfio-pci`,
      `/sys/bus/pci/drivers/igb/unbind < ${NIC}`,
      `/sys/bus/pci/drivers_probe < ${NIC}`,
    ]);
    for (const address of [NIC, '0000:01:00.1', NIC]) await binder().giveBack(address, OWNER);
    expect(await host.drivers()).toEqual([`${NIC} igb`, '0000:01:00.1 igb']);
    expect(await marks().all()).toEqual([]);
  });

  it.each([
    `/sys/devices/pci0000:00/0000:01:00.1/driver_override`,
    '/sys/bus/pci/drivers/igb/unbind',
    '/sys/bus/pci/drivers_probe',
  ])('is given back when the kernel refuses %s', async (file) => {
    host.refusals.set(file, { code: 'EIO', times: 1 });
    expect(await binder().take([NIC, '0000:01:00.1'], OWNER).catch(words)).toMatch(/EIO/);
    expect(await host.drivers()).toEqual([`${NIC} igb`, '0000:01:00.1 igb']);
    expect(await marks().all()).toEqual([]);
  });

  it('is given back by another daemon than took it', async () => {
    await binder().take([NIC], OWNER);
    expect(await marks().all()).toEqual([{ address: NIC, ...OWNER, driver: 'igb', override: '', bootId: 'boot-1' }]);
    await binder().giveBack(NIC, OWNER);
    expect(await host.drivers()).toContain(`${NIC} igb`);
  });

  it('is given back after a death between any two steps', async () => {
    const steps: readonly (() => Promise<void>)[] = [
      async () => undefined,
      () => host.write(`/sys/devices/pci0000:00/${NIC}/driver_override`, 'vfio-pci\n'),
      () => host.write('/sys/bus/pci/drivers/igb/unbind', NIC),
      () => host.write('/sys/bus/pci/drivers_probe', NIC),
      () => host.write(`/sys/devices/pci0000:00/${NIC}/driver_override`, '\n'),
      () => host.write('/sys/bus/pci/drivers/vfio-pci/unbind', NIC),
    ];
    for (let done = 1; done <= steps.length; done += 1) {
      await marks().write({ address: NIC, ...OWNER, driver: 'igb', override: '', bootId: 'boot-1' });
      for (const step of steps.slice(0, done)) await step();
      await binder().giveBack(NIC, OWNER);
      expect(await host.drivers()).toContain(`${NIC} igb`);
    }
  });

  it('stays away while a VM has the group open, and is given back then', async () => {
    await binder().take([NIC], OWNER);
    host.open.add('/dev/vfio/16');
    expect(await binder().giveBack(NIC, OWNER).catch(words)).toBe(`DEVICE_IN_USE: ${NIC} can't be given back to the host: a process has /dev/vfio/16 open`);
    expect(await marks().all()).toHaveLength(1);
    host.open.clear();
    await binder().giveBack(NIC, OWNER);
    expect(await host.drivers()).toContain(`${NIC} igb`);
  });

  it('is taken for one sandbox alone, and twice by it', async () => {
    await binder().take([NIC], OWNER);
    await binder().take([NIC], OWNER);
    expect(await binder().take([NIC], { ...OWNER, sandboxId: 'b'.repeat(32) }).catch(words)).toBe(`DEVICE_IN_USE: ${NIC} is device nic of sandbox ${OWNER.sandboxId}`);
    expect(await host.drivers()).toContain(`${NIC} vfio-pci only vfio-pci`);
  });

  it('that is vfio-pci already, by the administrator, stays', async () => {
    await host.add({ address: '0000:05:00.0', group: 20, driver: 'vfio-pci' });
    await binder().take(['0000:05:00.0'], OWNER);
    await binder().giveBack('0000:05:00.0', OWNER);
    expect(await host.drivers()).toContain('0000:05:00.0 vfio-pci');
  });

  it('is not looked for when there was none', async () => {
    await host.add({ address: '0000:06:00.0', group: 21 });
    await binder().take(['0000:06:00.0'], OWNER);
    await binder().giveBack('0000:06:00.0', OWNER);
    expect(await host.drivers()).toContain('0000:06:00.0 none');
  });

  it('is left alone by the mark of a host that has booted since', async () => {
    await marks().write({ address: NIC, ...OWNER, driver: 'igb', override: '', bootId: 'boot-0' });
    await binder().giveBack(NIC, OWNER);
    expect([host.orders, await marks().all()]).toEqual([[], []]);
  });
});

describe('the driver vfio-pci', () => {
  beforeEach(async () => {
    await fs.rm(`${root}/sys/bus/pci/drivers/vfio-pci`, { recursive: true });
    await host.add({ address: NIC, group: 16, driver: 'igb' });
  });

  it('is loaded when it is not there', async () => {
    await binder('boot-1', async () => { await host.driver('vfio-pci'); return undefined; }).take([NIC], OWNER);
    expect(await host.drivers()).toEqual([`${NIC} vfio-pci only vfio-pci`]);
  });

  it('that can not be loaded leaves everything as it is', async () => {
    expect(await binder().take([NIC], OWNER).catch(words)).toBe('HOST_RESOURCE: the host has no driver vfio-pci: not found');
    expect([host.orders, await host.drivers()]).toEqual([[], [`${NIC} igb`]]);
  });
});
