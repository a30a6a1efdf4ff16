import type { HostVfio } from '../../core/model/vfio-spec.ts';
import { functionId } from './plug-names.ts';
import { portBus } from './root-ports.ts';

/**
 * Arguments of device_add, one for each function of the group. Pure. All are put into one port: a slot is seen by the guest, whole, once its function 0
 * is there, so that one comes last. Their order in the port is that of their addresses on the host.
 */
export function vfioDevices(slot: number, { functions }: HostVfio): readonly Readonly<Record<string, unknown>>[] {
  const many = functions.length > 1 ? { multifunction: true } : {};
  return functions.map(({ address }, part) => ({ 'driver': 'vfio-pci', 'id': functionId(slot, part), 'host': address, 'bus': portBus(slot), 'addr': `00.${part}`, ...many })).reverse();
}
