import { resolve } from 'node:path';
import type { ContainerDevice } from '../../gen/vivarium/v1/container.ts';
import { UsageError } from '../cli-error.ts';
import { parseVfioDevice } from './vfio-device.ts';
import { parseBlockDevice, splitOptions } from './block-device.ts';

const PERMISSIONS = /^[rwm]{1,3}$/;
/** A qualified name of the Container Device Interface: `vendor.com/class=name`. */
const CDI = /^[A-Za-z0-9][A-Za-z0-9.-]*\/[A-Za-z0-9][A-Za-z0-9_-]*=.+$/;
/** What a name before a colon would need. */
const MISSING: Readonly<Record<string, string>> = {
  'vfio-ap': 'a driver for VFIO devices of s390x',
};
const FORMS = 'write it as /dev/NAME[:PATH[:rwm]], block:PATH[,target=PATH,permissions=rwm,…], vhost-user-blk:SOCKET[,target=PATH], vfio:ADDRESS or /dev/vfio/GROUP';

/**
 * The devices that `--device` asks for:
 *
 *     /dev/NAME[:CONTAINER_PATH[:PERMISSIONS]]     a block device of the host is plugged in as a disk; anything else is the guest's own
 *     vfio:ADDRESS[,mode=guest-kernel|vfio], /dev/vfio/GROUP     a PCI device of the host, with all of its IOMMU group
 *     block:PATH[,target=CONTAINER_PATH][,permissions=rwm][,format=…,ro,…]
 *     vhost-user-blk:SOCKET[,target=CONTAINER_PATH][,permissions=rwm]     a disk whose back end listens there
 *
 * @throws {UsageError} for what is written wrong, and for kinds that are not there, with what they lack
 */
export function parseContainerDevices(texts: readonly string[], cwd: string): ContainerDevice[] {
  return texts.map((text) => parseContainerDevice(text, cwd));
}

function parseContainerDevice(text: string, cwd: string): ContainerDevice {
  const vfio = parseVfioDevice(text);
  if (vfio !== undefined) return { containerPath: '', permissions: '', kind: { $case: 'vfio', value: vfio } };
  if (text.startsWith('/')) return parseNode(text);
  const kind = text.slice(0, Math.max(0, text.indexOf(':')));
  if (kind === 'block' && text !== 'block:') return parseBlock(text.slice('block:'.length), cwd);
  if (kind === 'vhost-user-blk' && text !== 'vhost-user-blk:') return parseVhostUser(text.slice('vhost-user-blk:'.length), cwd);
  const missing = Object.hasOwn(MISSING, kind) ? MISSING[kind] : CDI.test(text) ? 'a reader of CDI specifications' : undefined;
  if (missing !== undefined) throw new UsageError(`--device: "${text}" needs ${missing}, which this version does not have`, FORMS);
  throw new UsageError(`--device: "${text}" is no device`, FORMS);
}

/** As other container tools take it: the permissions may stand in the place of the path. */
function parseNode(text: string): ContainerDevice {
  const [path = '', ...rest] = text.split(':');
  const last = rest.at(-1);
  const permissions = last !== undefined && PERMISSIONS.test(last) ? last : '';
  const [containerPath = '', ...more] = permissions === '' ? rest : rest.slice(0, -1);
  if (more.length > 0 || (rest.length > 0 && containerPath === '' && permissions === '')) throw new UsageError(`--device: "${text}" is no device`, FORMS);
  return { containerPath, permissions, kind: { $case: 'node', value: { path } } };
}

function parseVhostUser(text: string, cwd: string): ContainerDevice {
  const { path, options } = splitOptions('vhost-user-blk', text, ['target', 'permissions']);
  return { containerPath: options.get('target') ?? '', permissions: options.get('permissions') ?? '', kind: { $case: 'vhostUserBlk', value: { socketPath: resolve(cwd, path) } } };
}

function parseBlock(text: string, cwd: string): ContainerDevice {
  const { block, options } = parseBlockDevice(text, (path) => resolve(cwd, path), ['target', 'permissions']);
  const permissions = options.get('permissions') ?? (block.readOnly ? 'r' : '');
  return { containerPath: options.get('target') ?? '', permissions, kind: { $case: 'block', value: block } };
}
