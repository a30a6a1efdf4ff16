import type { DeviceSpec, TapDevice } from '../../gen/vivarium/v1/device.ts';
import { parseBlockDevice, splitOptions } from '../args/block-device.ts';
import { parseCount } from '../args/number.ts';
import { parseVfioDevice } from '../args/vfio-device.ts';
import { UsageError } from '../cli-error.ts';

/**
 * What `viv device attach` plugs in: `block:PATH[,KEY=VALUE…][,ro][,discard]`, `vhost-user-blk:SOCKET`, `net:tap[,queues=N][,mac=ADDRESS]`, `vfio:ADDRESS[,mode=…]` or `/dev/vfio/GROUP`.
 * @param absolute makes a path absolute, from where the command was given
 * @throws {UsageError}
 */
export function parseDevice(id: string, text: string, absolute: (path: string) => string): DeviceSpec {
  const vfio = parseVfioDevice(text);
  if (vfio !== undefined) return { id, kind: { $case: 'vfio', value: vfio } };
  const [kind, rest] = [text.slice(0, text.indexOf(':')), text.slice(text.indexOf(':') + 1)];
  if (kind === 'net' && rest !== '') return { id, kind: { $case: 'tap', value: parseTap(rest) } };
  if (kind === 'vhost-user-blk' && rest !== '') return { id, kind: { $case: 'vhostUserBlk', value: { socketPath: absolute(rest) } } };
  if (kind === 'block' && rest !== '') return { id, kind: { $case: 'block', value: parseBlockDevice(rest, absolute).block } };
  throw new UsageError(`"${text}" is no device`, 'write it as block:PATH[,format=raw|qcow2,ro,serial=…,aio=…,cache=…,bus=…,discard], vhost-user-blk:SOCKET, net:tap[,queues=N,mac=…], vfio:ADDRESS or /dev/vfio/GROUP');
}

function parseTap(text: string): TapDevice {
  const { path, options } = splitOptions('net', text, ['queues', 'mac']);
  if (path !== 'tap') throw new UsageError(`a network card has no "${path}" behind it`, 'known is net:tap');
  return { queues: parseCount(options.get('queues') ?? '0', 'queues'), mac: options.get('mac') ?? '' };
}
