import type { DeviceKind } from '../../core/model/device-spec.ts';
import type { DevicePlug } from '../../core/ports/hypervisor.ts';
import type { QmpArguments, QmpCommand } from '../qmp/protocol.ts';
import { blockDevice, blockNode } from './plug-block.ts';
import { nodeName } from './plug-names.ts';
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
  devices: (plug) => [blockDevice(plug)],
  nodes: (slot) => [nodeName(slot)],
};

/** It stands on nothing that the VMM would have to be given first. */
const VFIO: PlugKind = {
  addBackend: () => undefined,
  removeBackend: () => undefined,
  devices: ({ slot, host }) => (host.kind === 'vfio' ? vfioDevices(slot, host) : []),
  nodes: () => [],
};

export const PLUG_KINDS: Readonly<Record<DeviceKind, PlugKind>> = { block: BLOCK, vfio: VFIO };
