import { describe, expect, it } from 'vitest';
import type { MountSpec } from '../../../../src/core/model/sandbox-spec.ts';
import { parsed } from '../../../../src/daemon/api/field-errors.ts';
import { parseMounts } from '../../../../src/daemon/api/validate-mounts.ts';
import { parseCreateVolume, parseResizeVolume } from '../../../../src/daemon/api/validate-volume.ts';
import { Mount } from '../../../../src/gen/vivarium/v1/container.ts';
import { CreateVolumeRequest, ResizeVolumeRequest, VolumeKind } from '../../../../src/gen/vivarium/v1/volume.ts';
import { violationsOf } from './field-violations.ts';

type Creating = NonNullable<Parameters<typeof CreateVolumeRequest.fromPartial>[0]['volume']>;
const create = (volume: Creating): ReturnType<typeof parseCreateVolume> => parseCreateVolume(CreateVolumeRequest.fromPartial({ volume }));
const mounts = (...all: readonly Parameters<typeof Mount.fromPartial>[0][]): readonly MountSpec[] => parsed((errors) => parseMounts(errors, 'm', all.map((mount) => Mount.fromPartial(mount))));
const block = VolumeKind.VOLUME_KIND_BLOCK;

describe('CreateVolume', () => {
  it('makes a directory unless told otherwise, and ext4 on a disk', () => {
    expect(create({ name: 'data' }).spec).toEqual({ name: 'data', kind: 'directory', labels: {}, mode: 0o755, sizeBytes: 0, filesystem: 'none' });
    expect(create({ name: 'd', kind: block, sizeBytes: 1n << 20n }).spec).toEqual({ name: 'd', kind: 'block', labels: {}, mode: 0, sizeBytes: 1 << 20, filesystem: 'ext4' });
    expect(create({ kind: block, sizeBytes: 1n << 30n, filesystem: 'none' }).spec).toMatchObject({ name: '', filesystem: 'none' });
  });

  it.each<[string, Creating, readonly string[]]>([
    ['a name that would leave its directory', { name: '../x' }, ['volume.name']],
    ['a name of what is being made', { name: '.making-x' }, ['volume.name']],
    ['a size of a directory', { name: 'a', sizeBytes: 4096n, filesystem: 'ext4' }, ['volume.size_bytes', 'volume.filesystem']],
    ['a disk of nothing', { kind: block }, ['volume.size_bytes']],
    ['a disk that is no multiple of a block', { kind: block, sizeBytes: (1n << 20n) + 512n }, ['volume.size_bytes']],
    ['a disk beyond all bounds', { kind: block, sizeBytes: 1n << 60n }, ['volume.size_bytes', 'volume.size_bytes']],
    ['an unknown kind and file system', { kind: 9 as VolumeKind }, ['volume.kind']],
    ['a file system that nobody makes', { kind: block, sizeBytes: 1n << 20n, filesystem: 'xfs', mode: 0o700 }, ['volume.filesystem', 'volume.mode']],
    ['more than permission bits', { mode: 0o10000 }, ['volume.mode']],
  ])('refuses %s', (_, volume, fields) => {
    expect(Object.keys(violationsOf(() => create(volume)))).toEqual([...new Set(fields)]);
  });

  it('wants a volume, and a resize a name', () => {
    expect(Object.keys(violationsOf(() => parseCreateVolume(CreateVolumeRequest.fromPartial({}))))).toEqual(['volume']);
    expect(Object.keys(violationsOf(() => parseResizeVolume(ResizeVolumeRequest.fromPartial({ sizeBytes: 1n << 20n }))))).toEqual(['name']);
  });
});

describe('a mount of a volume', () => {
  it('has a name or none, and a path below it', () => {
    expect(mounts({ destination: '/d', kind: { $case: 'volume', value: { name: 'data', subPath: 'a//./b/' } } }, { destination: '/e', readOnly: true, kind: { $case: 'volume', value: { noCopy: true, anonymous: true } } })).toEqual([
      { kind: 'volume', destination: '/d', readOnly: false, name: 'data', subPath: 'a/b', noCopy: false, anonymous: false },
      { kind: 'volume', destination: '/e', readOnly: true, name: '', subPath: '', noCopy: true, anonymous: false },
    ]);
  });

  it.each([['a/../../b'], ['/a'], ['..']])('refuses the sub-path %s', (subPath) => {
    expect(Object.keys(violationsOf(() => mounts({ destination: '/d', kind: { $case: 'volume', value: { name: 'data', subPath } } })))).toEqual(['m[0].volume.sub_path']);
  });

  it('refuses a sub-path of a volume without a name, and a name that is none', () => {
    expect(Object.keys(violationsOf(() => mounts({ destination: '/d', kind: { $case: 'volume', value: { subPath: 'a' } } }, { destination: '/e', kind: { $case: 'volume', value: { name: 'a/b' } } })))).toEqual(['m[0].volume.sub_path', 'm[1].volume.name']);
  });
});
