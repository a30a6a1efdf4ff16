import { serialOf } from '../../core/model/device-spec.ts';
import type { DevicePlug } from '../../core/ports/hypervisor.ts';
import { deviceId, nodeName } from './plug-names.ts';
import { portBus } from './root-ports.ts';

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
