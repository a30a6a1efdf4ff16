import type { DeviceKind, DeviceWhat } from '../../core/model/device-spec.ts';
import type { DevicePlug } from '../../core/ports/hypervisor.ts';
import type { QmpArguments, QmpCommand } from '../qmp/protocol.ts';
import { blockDevices, blockNode } from './plug-block.ts';
import { chardevName, deviceId, netdevName, nodeName } from './plug-names.ts';
import { portBus } from './root-ports.ts';
import { vfioDevices } from './plug-vfio.ts';

/** One command with what it takes. */
export type QmpCall = { readonly [C in QmpCommand]: { readonly command: C; readonly args: QmpArguments<C> } }[QmpCommand];

/** How one kind of device goes into a VM: names and arguments, all pure. A kind whose device stands on nothing has no backend. */
export interface PlugKind {
  readonly addBackend: (plug: DevicePlug) => QmpCall | undefined;
  readonly removeBackend: (slot: number) => QmpCall | undefined;
  /** Arguments of each device_add, in their order. */
  readonly devices: (plug: DevicePlug) => readonly Readonly<Record<string, unknown>>[];
  /** Names of block nodes that the VMM then lists. */
  readonly nodes: (slot: number) => readonly string[];
}

const BLOCK: PlugKind = {
  addBackend: (plug) => ({ command: 'blockdev-add', args: blockNode(plug) }),
  removeBackend: (slot) => ({ command: 'blockdev-del', args: { 'node-name': nodeName(slot) } }),
  devices: blockDevices,
  nodes: (slot) => [nodeName(slot)],
};

/** It stands on nothing that the VMM would have to be given first. */
const VFIO: PlugKind = {
  addBackend: () => undefined,
  removeBackend: () => undefined,
  devices: ({ slot, host }) => (host.kind === 'vfio' ? vfioDevices(slot, host) : []),
  nodes: () => [],
};

/** The device finds its back end by a socket, to which the VMM connects at once. */
const VHOST_USER_BLK: PlugKind = {
  addBackend: ({ slot, host }) => ({ command: 'chardev-add', args: { id: chardevName(slot), backend: { type: 'socket', data: { addr: { type: 'unix', data: { path: host.path } }, server: false } } } }),
  removeBackend: (slot) => ({ command: 'chardev-remove', args: { id: chardevName(slot) } }),
  devices: ({ slot }) => [{ driver: 'vhost-user-blk-pci', id: deviceId(slot), bus: portBus(slot), chardev: chardevName(slot) }],
  nodes: () => [],
};

/** Its back end is made by the launcher, which alone can make a tap device and hand it over (hotplug.ts). */
const TAP: PlugKind = {
  addBackend: () => undefined,
  removeBackend: (slot) => ({ command: 'netdev_del', args: { id: netdevName(slot) } }),
  devices: ({ slot, host, spec }) => [{ driver: 'virtio-net-pci', id: deviceId(slot), bus: portBus(slot), netdev: netdevName(slot), mac: host.path, ...queues(spec.what) }],
  nodes: () => [],
};

/** A vector for each queue in both directions, one for changes and one for the control queue. */
function queues(what: DeviceWhat): Readonly<Record<string, unknown>> {
  return what.kind === 'tap' && what.queues > 1 ? { mq: true, vectors: 2 * what.queues + 2 } : {};
}

export const PLUG_KINDS: Readonly<Record<DeviceKind, PlugKind>> = { 'block': BLOCK, 'vfio': VFIO, 'vhost-user-blk': VHOST_USER_BLK, 'tap': TAP };
