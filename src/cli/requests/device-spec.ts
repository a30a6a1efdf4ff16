import type { DeviceSpec } from '../../gen/vivarium/v1/device.ts';
import { parseBlockDevice } from '../args/block-device.ts';
import { parseVfioDevice } from '../args/vfio-device.ts';
import { UsageError } from '../cli-error.ts';

/**
 * What `viv device attach` plugs in: `block:PATH[,KEY=VALUE…][,ro][,discard]`, `vfio:ADDRESS[,mode=…]` or `/dev/vfio/GROUP`.
 * @param absolute makes a path absolute, from where the command was given
 * @throws {UsageError}
 */
export function parseDevice(id: string, text: string, absolute: (path: string) => string): DeviceSpec {
  const vfio = parseVfioDevice(text);
  if (vfio !== undefined) return { id, kind: { $case: 'vfio', value: vfio } };
  const [kind, rest] = [text.slice(0, text.indexOf(':')), text.slice(text.indexOf(':') + 1)];
  if (kind !== 'block' || rest === '') throw new UsageError(`"${text}" is no device`, 'write it as block:PATH[,format=raw|qcow2,ro,serial=…,aio=…,cache=…,discard], vfio:ADDRESS or /dev/vfio/GROUP');
  return { id, kind: { $case: 'block', value: parseBlockDevice(rest, absolute).block } };
}
