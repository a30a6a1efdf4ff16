import { posix } from 'node:path';
import type { ContainerDevice } from '../../core/model/sandbox-spec.ts';
import type { ContainerDevice as DeviceMessage } from '../../gen/vivarium/v1/container.ts';
import type { FieldErrors } from './field-errors.ts';
import { checkBlock, checkVfio, checkVhostUser } from './validate-device.ts';
import { checkAbsolutePath } from './validate-fields.ts';

const MOST = 64;
const ALL = 'rwm';
/** Each at most once. */
const PERMISSIONS = /^(?!.*(.).*\1)[rwm]{1,3}$/;

/** Devices of a container; one at each path. */
export function parseContainerDevices(errors: FieldErrors, field: string, devices: readonly DeviceMessage[]): readonly ContainerDevice[] {
  errors.check(devices.length <= MOST, field, `are at most ${MOST}`);
  const taken = new Map<string, number>();
  return Object.freeze(devices.slice(0, MOST).flatMap((device, index) => {
    const at = `${field}[${index}]`;
    const parsed = parseDevice(errors, at, device);
    if (parsed === undefined) return [];
    const path = parsed.containerPath === '' && parsed.what.kind === 'node' ? parsed.what.path : parsed.containerPath;
    const first = path === '' ? undefined : taken.get(path);
    errors.check(first === undefined, `${at}.container_path`, `is the same as that of devices[${first}]`);
    taken.set(path, index);
    return parsed;
  }));
}

function parseDevice(errors: FieldErrors, at: string, { containerPath, permissions, kind }: DeviceMessage): ContainerDevice | undefined {
  errors.check(permissions === '' || PERMISSIONS.test(permissions), `${at}.permissions`, 'must be some of r, w and m, each once');
  const common = { containerPath: containerPath === '' ? '' : below(errors, `${at}.container_path`, containerPath), permissions: permissions === '' ? ALL : permissions };
  switch (kind?.$case) {
    case 'node': {
      const path = posix.normalize(checkAbsolutePath(errors, `${at}.node.path`, kind.value.path));
      errors.check(/^\/dev\/./.test(path), `${at}.node.path`, 'must be below /dev');
      return Object.freeze({ ...common, what: Object.freeze({ kind: 'node', path }) });
    }
    case 'block':
      return Object.freeze({ ...common, what: checkBlock(errors, `${at}.block`, kind.value) });
    case 'vfio':
      errors.check(containerPath === '', `${at}.container_path`, 'must be empty: the nodes have the names that the guest gives them');
      return Object.freeze({ ...common, what: checkVfio(errors, `${at}.vfio`, kind.value) });
    case 'vhostUserBlk':
      return Object.freeze({ ...common, what: checkVhostUser(errors, `${at}.vhost_user_blk`, kind.value) });
    case undefined:
      errors.add(`${at}.kind`, 'one of node, block, vfio and vhost_user_blk is required');
      return undefined;
  }
}

/** In its shortest form, so that two spellings of one path are one. */
function below(errors: FieldErrors, field: string, value: string): string {
  const path = posix.normalize(checkAbsolutePath(errors, field, value));
  errors.check(path !== '/' && !path.endsWith('/'), field, 'must name a file');
  return path;
}
