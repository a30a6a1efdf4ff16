import type { VmEvent } from '../../core/ports/hypervisor.ts';
import { slotOfDevice } from '../qemu/plug-names.ts';
import type { QmpEvent } from './protocol.ts';

/** What a monitor's event means to us; undefined for those that mean nothing. Pure. */
export function toVmEvent({ event, data }: QmpEvent): VmEvent | undefined {
  switch (event) {
    case 'STOP':
      return { kind: 'paused' };
    case 'RESUME':
      return { kind: 'resumed' };
    case 'SHUTDOWN':
      return shutdown(data);
    case 'RESET':
      return data['guest'] === true ? { kind: 'guest-reboot' } : undefined;
    case 'GUEST_PANICKED':
      return { kind: 'guest-panic', detail: panicDetail(data['info']) };
    case 'DEVICE_DELETED':
      return ofDevice('device-unplugged', data);
    case 'DEVICE_UNPLUG_GUEST_ERROR':
      return ofDevice('device-unplug-refused', data);
    default:
      return undefined;
  }
}

/** A device's children go first and have no id, only a path below it: their going is not its own. */
function ofDevice(kind: 'device-unplugged' | 'device-unplug-refused', data: QmpEvent['data']): VmEvent | undefined {
  const slot = typeof data['device'] === 'string' ? slotOfDevice(data['device']) : undefined;
  return slot === undefined ? undefined : { kind, slot };
}

/** Only the guest's own wish counts: an end that we asked for is heard as the process's end. QEMU says `guest` since 2.10, `reason` since 4.0. */
function shutdown(data: QmpEvent['data']): VmEvent | undefined {
  if (data['guest'] !== true) return undefined;
  const reason = typeof data['reason'] === 'string' ? data['reason'] : 'guest-shutdown';
  // A panic is told by GUEST_PANICKED, with its details, before this.
  if (reason === 'guest-panic') return undefined;
  // With -no-reboot a reset of the guest's arrives as a shutdown.
  return reason === 'guest-reset' ? { kind: 'guest-reboot' } : { kind: 'guest-shutdown', reason };
}

/** GuestPanicInformation names only what a hypervisor interface told; pvpanic tells nothing, the console has the words. */
function panicDetail(info: unknown): string {
  return typeof info === 'object' && info !== null ? JSON.stringify(info).slice(0, 512) : '';
}
