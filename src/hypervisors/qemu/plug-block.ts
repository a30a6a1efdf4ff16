import { DomainError } from '../../core/model/errors.ts';
import type { DevicePlug } from '../../core/ports/hypervisor.ts';
import { serialOf, type BlockSpec, type HostDisk } from '../../core/model/device-spec.ts';
import { deviceId, nodeName } from './plug-names.ts';
import { portBus } from './root-ports.ts';

/** Arguments of blockdev-add. Pure. An image's own words about a backing file are not followed. */
export function blockNode(plug: DevicePlug): Readonly<Record<string, unknown>> {
  const { slot } = plug;
  const { what, host } = disk(plug);
  const { readOnly, cache: mode, discard: passes, aio } = what;
  const cache = { 'direct': mode === 'direct', 'no-flush': mode === 'unsafe' };
  const discard = passes ? 'unmap' : 'ignore';
  const file = { 'driver': host.isDevice ? 'host_device' : 'file', 'filename': host.path, aio, cache, discard, 'read-only': readOnly, 'auto-read-only': false };
  const format = host.format === 'qcow2' ? { driver: 'qcow2', backing: null } : { driver: 'raw' };
  return { ...format, 'node-name': nodeName(slot), 'read-only': readOnly, cache, discard, file };
}

/** Arguments of each device_add. Pure. */
export function blockDevices(plug: DevicePlug): readonly Readonly<Record<string, unknown>>[] {
  const { slot, spec } = plug;
  const { what } = disk(plug);
  return [{ driver: 'virtio-blk-pci', id: deviceId(slot), bus: portBus(slot), drive: nodeName(slot), serial: serialOf(spec.id, what), ...sectors(what) }];
}

function sectors({ logicalBlockBytes, physicalBlockBytes }: BlockSpec): Readonly<Record<string, number>> {
  return { ...(logicalBlockBytes === 0 ? {} : { logical_block_size: logicalBlockBytes }), ...(physicalBlockBytes === 0 ? {} : { physical_block_size: physicalBlockBytes }) };
}

/** A record's spec and what it was taken for are of one kind. */
function disk({ spec: { what }, host }: DevicePlug): { readonly what: BlockSpec; readonly host: HostDisk } {
  if (what.kind !== 'block' || host.kind !== 'disk') throw new DomainError('INTERNAL', `a device of the kind ${what.kind} was taken for a ${host.kind}`);
  return { what, host };
}
