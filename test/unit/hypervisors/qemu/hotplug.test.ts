import { beforeEach, describe, expect, it } from 'vitest';
import { deferred } from '../../../../src/base/abort.ts';
import { DomainError } from '../../../../src/core/model/errors.ts';
import type { ProcessEnd } from '../../../../src/core/ports/host.ts';
import { blockDevices, blockNode } from '../../../../src/hypervisors/qemu/plug-block.ts';
import { vfioDevices } from '../../../../src/hypervisors/qemu/plug-vfio.ts';
import { PLUG_KINDS } from '../../../../src/hypervisors/qemu/plug-kinds.ts';
import { QemuHotplug } from '../../../../src/hypervisors/qemu/hotplug.ts';
import { differences, inventoryOf } from '../../../../src/hypervisors/qemu/inventory.ts';
import { QmpCommandError } from '../../../../src/hypervisors/qmp/errors.ts';
import { toVmEvent } from '../../../../src/hypervisors/qmp/event-map.ts';
import { fullRecord } from '../../../fakes/full-record.ts';
import { ManualClock, settle } from '../../../fakes/manual-clock.ts';
import { deviceRecord, diskSpec } from '../../../fakes/records.ts';

const plug = deviceRecord({ slot: 3 });
const END: ProcessEnd = { kind: 'signalled', code: 0, signal: 6, atMs: 0, stderrTail: 'double free', cpuMs: 0, maxRssKib: 0 };

let said: string[];
let answers: Record<string, () => unknown>;
let clock: ManualClock;
let end: ReturnType<typeof deferred<ProcessEnd>>;
let hotplug: QemuHotplug;

function refuse(words: string): () => never {
  return () => { throw new DomainError('VMM_FAILED', words, { cause: new QmpCommandError('x', 'GenericError', words) }); };
}

beforeEach(() => {
  said = [];
  answers = { 'qom-list': () => [{ name: 'port3', type: 'child<pcie-root-port>' }], 'query-named-block-nodes': () => [] };
  clock = new ManualClock();
  end = deferred<ProcessEnd>();
  hotplug = new QemuHotplug({
    execute: async (command) => {
      said.push(command);
      return (answers[command] ?? ((): unknown => ({})))();
    },
    tap: async () => { await Promise.resolve(); },
    ended: end.promise,
    exited: () => new DomainError('VMM_EXITED', 'gone'),
    clock,
  });
});

describe('what QEMU is told of a PCI device', () => {
  const one = { address: '0000:01:00.0', classCode: '0200', vendor: '8086', device: '10c9', driver: 'igb', numaNode: -1, express: true, barBytes: 4096 };
  const host = { kind: 'vfio', path: '/dev/vfio/16', identity: 'vfio:16', group: 16, functions: [one] } as const;

  it('names it by its port', () => {
    expect(vfioDevices(3, host)).toEqual([{ driver: 'vfio-pci', id: 'dev3', host: '0000:01:00.0', bus: 'port3', addr: '00.0' }]);
  });

  it('puts the functions of a group into one port, the one that shows them all last', () => {
    expect(vfioDevices(3, { ...host, functions: [one, { ...one, address: '0000:01:00.1' }] })).toEqual([
      { driver: 'vfio-pci', id: 'dev3f1', host: '0000:01:00.1', bus: 'port3', addr: '00.1', multifunction: true },
      { driver: 'vfio-pci', id: 'dev3', host: '0000:01:00.0', bus: 'port3', addr: '00.0', multifunction: true },
    ]);
  });
});

describe('what QEMU is told of a disk', () => {
  it('names everything by its port, and follows no word of the image about a backing file', () => {
    const host = { kind: 'disk', path: '/d.qcow2', identity: 'x', format: 'qcow2', isDevice: false, sizeBytes: 1 } as const;
    const spec = diskSpec('d0', { readOnly: true, cache: 'direct', aio: 'native', discard: true });
    expect(blockNode({ slot: 3, host, spec })).toEqual({
      'driver': 'qcow2', 'backing': null, 'node-name': 'disk3', 'read-only': true, 'cache': { 'direct': true, 'no-flush': false }, 'discard': 'unmap',
      'file': { 'driver': 'file', 'filename': '/d.qcow2', 'aio': 'native', 'cache': { 'direct': true, 'no-flush': false }, 'discard': 'unmap', 'read-only': true, 'auto-read-only': false },
    });
    expect(blockNode({ ...plug, host: { ...host, format: 'raw', path: '/disks/d0.img', isDevice: true } })).toMatchObject({ driver: 'raw', file: { driver: 'host_device', filename: '/disks/d0.img' } });
    expect(blockDevices({ slot: 3, host, spec: diskSpec('a-rather-long-name-of-a-disk') })).toEqual([{ driver: 'virtio-blk-pci', id: 'dev3', bus: 'port3', drive: 'disk3', serial: 'a-rather-long-name-o' }]);
  });

  it('has the sectors that were asked for', () => {
    const host = { kind: 'disk', path: '/d', identity: 'x', format: 'raw', isDevice: false, sizeBytes: 1 } as const;
    expect(blockDevices({ slot: 3, host, spec: diskSpec('d0', { logicalBlockBytes: 512, physicalBlockBytes: 4096 }) })).toEqual([
      { driver: 'virtio-blk-pci', id: 'dev3', bus: 'port3', drive: 'disk3', serial: 'd0', logical_block_size: 512, physical_block_size: 4096 },
    ]);
  });

  it('has a vhost-user disk find its back end by a socket, and a network card by what the launcher made', () => {
    const socket = { kind: 'socket', path: '/b.sock', identity: 'x' } as const;
    const spec = { id: 'v', what: { kind: 'vhost-user-blk', socket: '/b.sock' } } as const;
    expect(PLUG_KINDS['vhost-user-blk'].addBackend({ slot: 3, host: socket, spec })).toEqual({ command: 'chardev-add', args: { id: 'chr3', backend: { type: 'socket', data: { addr: { type: 'unix', data: { path: '/b.sock' } }, server: false } } } });
    expect(PLUG_KINDS['vhost-user-blk'].devices({ slot: 3, host: socket, spec })).toEqual([{ driver: 'vhost-user-blk-pci', id: 'dev3', bus: 'port3', chardev: 'chr3' }]);
    const tap = { slot: 3, host: { kind: 'tap', path: '52:54:00:00:00:01', identity: 'y' }, spec: { id: 'n', what: { kind: 'tap', queues: 2, mac: '' } } } as const;
    expect(PLUG_KINDS.tap.devices(tap)).toEqual([{ driver: 'virtio-net-pci', id: 'dev3', bus: 'port3', netdev: 'net3', mac: '52:54:00:00:00:01', mq: true, vectors: 6 }]);
    expect(PLUG_KINDS.tap.removeBackend(3)).toEqual({ command: 'netdev_del', args: { id: 'net3' } });
  });
});

describe('an event of QEMU about a device', () => {
  it('is of the device itself, not of its child that goes first', () => {
    expect(toVmEvent({ event: 'DEVICE_DELETED', data: { path: '/machine/peripheral/dev3/virtio-backend' }, atMs: 0 })).toBeUndefined();
    expect(toVmEvent({ event: 'DEVICE_DELETED', data: { device: 'dev3', path: '/machine/peripheral/dev3' }, atMs: 0 })).toEqual({ kind: 'device-unplugged', slot: 3 });
    expect(toVmEvent({ event: 'DEVICE_DELETED', data: { device: 'net0' }, atMs: 0 })).toBeUndefined();
    expect(toVmEvent({ event: 'DEVICE_UNPLUG_GUEST_ERROR', data: { device: 'dev3' }, atMs: 0 })).toEqual({ kind: 'device-unplug-refused', slot: 3 });
  });
});

describe('a plug', () => {
  it('that was done before a crash counts as done', async () => {
    answers['blockdev-add'] = refuse("Duplicate nodes with node-name='disk3'");
    answers['device_add'] = refuse("Duplicate device ID 'dev3'");
    answers['query-named-block-nodes'] = () => [{ 'node-name': 'disk3' }, { 'node-name': '#block12' }];
    answers['qom-list'] = () => [{ name: 'dev3', type: 'child<virtio-blk-pci>' }];
    await hotplug.addBackend(plug);
    await hotplug.plug(plug);
    expect(await hotplug.list()).toEqual({ devices: [3], backends: [3] });
  });

  it.each([
    ['Failed to get "write" lock', 'DEVICE_IN_USE'],
    ["Could not open '/disks/d0.img': Permission denied", 'HOST_RESOURCE'],
  ])('refused with %s is %s', async (words, reason) => {
    answers['blockdev-add'] = refuse(words);
    await expect(hotplug.addBackend(plug)).rejects.toMatchObject({ reason, message: expect.stringContaining('/disks/d0.img') as string });
  });
});

describe('an unplug', () => {
  it('ends with the event of its device', async () => {
    const call = hotplug.unplug(3);
    await settle();
    hotplug.heard({ kind: 'device-unplugged', slot: 2 });
    hotplug.heard({ kind: 'device-unplugged', slot: 3 });
    expect(await call).toBe('unplugged');
    expect(clock.pending).toBe(0);
  });

  it('hears an event that comes before the answer to its command', async () => {
    answers['device_del'] = () => { hotplug.heard({ kind: 'device-unplugged', slot: 3 }); };
    expect(await hotplug.unplug(3)).toBe('unplugged');
  });

  it('ends with the refusal of the guest', async () => {
    const call = hotplug.unplug(3);
    await settle();
    hotplug.heard({ kind: 'device-unplug-refused', slot: 3 });
    expect(await call).toBe('refused');
  });

  it('ends with the VM', async () => {
    const call = hotplug.unplug(3);
    await settle();
    end.resolve(END);
    await expect(call).rejects.toMatchObject({ reason: 'VMM_EXITED' });
  });

  it('ends with its caller, and at its deadline', async () => {
    const caller = new AbortController();
    const left = hotplug.unplug(3, { signal: caller.signal });
    await settle();
    caller.abort(new Error('left'));
    await expect(left).rejects.toThrow('left');
    const late = hotplug.unplug(3);
    late.catch(() => undefined);
    await clock.advance(10_000);
    await expect(late).rejects.toMatchObject({ reason: 'DEADLINE' });
  });

  it('that was asked for already waits for the event; of what is out already it is done', async () => {
    answers['device_del'] = refuse('Device dev3 is already in the process of unplug');
    expect(await hotplug.unplug(3)).toBe('unplugged');
    answers['qom-list'] = () => [{ name: 'dev3', type: 'child<virtio-blk-pci>' }];
    const call = hotplug.unplug(3);
    await settle();
    hotplug.heard({ kind: 'device-unplugged', slot: 3 });
    expect(await call).toBe('unplugged');
    answers['device_del'] = refuse('Bus port3 does not support hotplug');
    await expect(hotplug.unplug(3)).rejects.toMatchObject({ reason: 'VMM_FAILED' });
  });

  it('frees a node once, and fails while the node is in use', async () => {
    answers['blockdev-del'] = refuse("Failed to find node with node-name='disk3'");
    await hotplug.removeBackend(plug);
    answers['query-named-block-nodes'] = () => [{ 'node-name': 'disk3' }];
    answers['blockdev-del'] = refuse('Node disk3 is in use');
    await expect(hotplug.removeBackend(plug)).rejects.toMatchObject({ reason: 'VMM_FAILED' });
  });
});

describe('what a VM that is found again is compared with', () => {
  it('has its ports and what is attached, and leaves alone what was on its way', () => {
    const { vmSpec } = fullRecord();
    const recorded = inventoryOf(vmSpec!, { plugged: [{ slot: 0, kind: 'block', functions: 1, settled: true }, { slot: 1, kind: 'block', functions: 1, settled: false }], units: [7] });
    const found = { cpus: 1, memoryBytes: 268_435_456, blockNodes: ['disk0'], devices: ['serial0', 'scsi0', 'port0', 'port1', 'port2', 'port3', 'dev0'] };
    expect(differences(recorded, found)).toEqual([]);
    expect(differences(recorded, { ...found, blockNodes: ['disk0', 'disk1', 'unit7'], devices: [...found.devices, 'dev1', 'unit7'] })).toEqual([]);
    expect(differences(recorded, { ...found, blockNodes: [], devices: [...found.devices, 'dev2'] })).toEqual(['no block node disk0', 'a device dev2 that is not in its record']);
  });
});
