import { posix } from 'node:path';
import type { MountPropagation, MountSpec } from '../../core/model/sandbox-spec.ts';
import { MountPropagation as PropagationMessage } from '../../gen/vivarium/v1/container.ts';
import type { Mount, VolumeMount } from '../../gen/vivarium/v1/container.ts';
import type { FieldErrors } from './field-errors.ts';
import { LIMITS } from './limits.ts';
import { byteLength, checkAbsolutePath, checkBytes, hasNul } from './validate-fields.ts';
import { checkVolumeName } from './validate-volume.ts';

/** Without them the runtime does not work, or the container would see another's processes. */
const RESERVED = ['/', '/proc', '/dev', '/sys/fs/cgroup'];
const LEAST_TMPFS_BYTES = 4096;

export function parseMounts(errors: FieldErrors, field: string, mounts: readonly Mount[]): readonly MountSpec[] {
  errors.check(mounts.length <= LIMITS.mounts, field, `must be at most ${LIMITS.mounts}`);
  const taken = new Map<string, number>();
  return Object.freeze(mounts.slice(0, LIMITS.mounts).flatMap((mount, index) => {
    const at = `${field}[${index}]`;
    const destination = parseDestination(errors, `${at}.destination`, mount.destination);
    const first = taken.get(destination);
    errors.check(first === undefined, `${at}.destination`, `is the same as that of mounts[${first}]`);
    taken.set(destination, index);
    return parseKind(errors, at, { destination, readOnly: mount.readOnly }, mount.kind) ?? [];
  }));
}

/** In its shortest form, so that two spellings of one path are one. */
function parseDestination(errors: FieldErrors, field: string, value: string): string {
  const path = posix.normalize(checkAbsolutePath(errors, field, value)).replace(/(.)\/$/, '$1');
  errors.check(!RESERVED.includes(path) && !path.startsWith('/proc/'), field, `${path} can't be mounted over`);
  return path;
}

function parseKind(errors: FieldErrors, at: string, common: Pick<MountSpec, 'destination' | 'readOnly'>, kind: Mount['kind']): MountSpec | undefined {
  switch (kind?.$case) {
    case 'bind': {
      const { source, nonRecursive, propagation } = kind.value;
      return Object.freeze({ kind: 'bind', ...common, source: checkAbsolutePath(errors, `${at}.bind.source`, source), recursive: !nonRecursive, propagation: parsePropagation(errors, `${at}.bind.propagation`, propagation) });
    }
    case 'tmpfs': {
      const { sizeBytes, mode } = kind.value;
      errors.check(sizeBytes === 0n || sizeBytes >= BigInt(LEAST_TMPFS_BYTES), `${at}.tmpfs.size_bytes`, `must be 0 or at least ${LEAST_TMPFS_BYTES}`);
      errors.check(mode <= 0o7777, `${at}.tmpfs.mode`, 'must be permission bits: 0 to 07777');
      return Object.freeze({ kind: 'tmpfs', ...common, sizeBytes: checkBytes(errors, `${at}.tmpfs.size_bytes`, sizeBytes), mode });
    }
    case 'volume':
      return parseVolume(errors, `${at}.volume`, common, kind.value);
    case undefined:
      errors.add(`${at}.kind`, 'one of bind, tmpfs and volume is required');
      return undefined;
  }
}

function parseVolume(errors: FieldErrors, at: string, common: Pick<MountSpec, 'destination' | 'readOnly'>, { name, subPath, noCopy }: VolumeMount): MountSpec {
  if (name !== '') checkVolumeName(errors, `${at}.name`, name);
  const names = subPath.split('/');
  errors.check(!subPath.startsWith('/') && !names.includes('..') && !hasNul(subPath) && byteLength(subPath) <= LIMITS.pathBytes, `${at}.sub_path`, `must be a path below the volume: relative, without "..", of at most ${LIMITS.pathBytes} bytes`);
  errors.check(subPath === '' || name !== '', `${at}.sub_path`, 'is of a volume with a name: a new one has nothing in it');
  return Object.freeze({ kind: 'volume', ...common, name, subPath: names.filter((part) => part !== '' && part !== '.').join('/'), noCopy, anonymous: false });
}

function parsePropagation(errors: FieldErrors, field: string, value: PropagationMessage): MountPropagation {
  if (value === PropagationMessage.MOUNT_PROPAGATION_SLAVE) return 'slave';
  errors.check(value === PropagationMessage.MOUNT_PROPAGATION_UNSPECIFIED || value === PropagationMessage.MOUNT_PROPAGATION_PRIVATE, field, `${value} is not a propagation`);
  return 'private';
}
