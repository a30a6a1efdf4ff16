import { serialOf } from '../../core/model/device-spec.ts';
import type { DevicePlug } from '../../core/ports/hypervisor.ts';
import { portBus } from './root-ports.ts';

const DEVICE = /^dev(\d{1,3})$/;
const NODE = /^disk(\d{1,3})$/;

/** Names inside the VMM are made of the port alone: they are found again without a record, and block nodes have room for 31 characters only. */
export function deviceId(slot: number): string {
  return `dev${slot}`;
}

export function nodeName(slot: number): string {
  return `disk${slot}`;
}

/** The port that a device's or a node's name says; undefined for names of others. */
export function slotOfDevice(id: string): number | undefined {
  return numberIn(DEVICE, id);
}

export function slotOfNode(name: string): number | undefined {
  return numberIn(NODE, name);
}

function numberIn(pattern: RegExp, text: string): number | undefined {
  const digits = pattern.exec(text)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** Arguments of blockdev-add. Pure. An image's own words about a backing file are not followed. */
export function blockNode({ slot, host, spec: { what } }: DevicePlug): Readonly<Record<string, unknown>> {
  const { readOnly, cache: mode, discard: passes, aio } = what;
  const cache = { 'direct': mode === 'direct', 'no-flush': mode === 'unsafe' };
  const discard = passes ? 'unmap' : 'ignore';
  const file = { 'driver': host.isDevice ? 'host_device' : 'file', 'filename': host.path, aio, cache, discard, 'read-only': readOnly, 'auto-read-only': false };
  const format = host.format === 'qcow2' ? { driver: 'qcow2', backing: null } : { driver: 'raw' };
  return { ...format, 'node-name': nodeName(slot), 'read-only': readOnly, cache, discard, file };
}

/** Arguments of device_add. Pure. */
export function blockDevice({ slot, spec }: DevicePlug): Readonly<Record<string, unknown>> {
  return { 'driver': 'virtio-blk-pci', 'id': deviceId(slot), 'bus': portBus(slot), 'drive': nodeName(slot), 'serial': serialOf(spec) };
}
