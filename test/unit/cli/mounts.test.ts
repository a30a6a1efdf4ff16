import { describe, expect, it } from 'vitest';
import { parseMounts } from '../../../src/cli/args/mounts.ts';
import type { MountFlags } from '../../../src/cli/args/mounts.ts';
import { UsageError } from '../../../src/cli/cli-error.ts';
import { MountPropagation } from '../../../src/gen/vivarium/v1/container.ts';
import type { Mount, VolumeMount } from '../../../src/gen/vivarium/v1/container.ts';

const NONE: MountFlags = { volume: [], mount: [], tmpfs: [] };
const parse = (flags: Partial<MountFlags>): Mount[] => parseMounts({ ...NONE, ...flags }, '/work');
const volume = (value: Partial<VolumeMount>): Mount['kind'] => ({ $case: 'volume', value: { name: '', subPath: '', noCopy: false, anonymous: false, ...value } });
const bind = (source: string, more: { nonRecursive?: boolean; propagation?: MountPropagation } = {}): Mount['kind'] =>
  ({ $case: 'bind', value: { source, nonRecursive: false, propagation: MountPropagation.MOUNT_PROPAGATION_UNSPECIFIED, ...more } });

describe('-v', () => {
  it.each<[string, Mount]>([
    ['/data:/mnt', { destination: '/mnt', readOnly: false, kind: bind('/data') }],
    ['/data:/mnt:ro', { destination: '/mnt', readOnly: true, kind: bind('/data') }],
    ['./here:/mnt:rw', { destination: '/mnt', readOnly: false, kind: bind('/work/here') }],
    ['.:/mnt', { destination: '/mnt', readOnly: false, kind: bind('/work') }],
    ['/data:/mnt:ro,bind,rslave', { destination: '/mnt', readOnly: true, kind: bind('/data', { nonRecursive: true, propagation: MountPropagation.MOUNT_PROPAGATION_SLAVE }) }],
  ])('takes %s', (text, mount) => {
    expect(parse({ volume: [text] })).toEqual([mount]);
  });

  it.each(['', 'data', ':/mnt', '/data:', '/data:/mnt:ro:x', '/data:/mnt:Z', '/data:/mnt:nocopy', 'name:/mnt:slave'])('refuses "%s"', (text) => {
    expect(() => parse({ volume: [text] })).toThrow(UsageError);
  });
});

describe('-v with a volume', () => {
  it.each<[string, Mount]>([
    ['name:/mnt', { destination: '/mnt', readOnly: false, kind: volume({ name: 'name' }) }],
    ['name:/mnt:ro,nocopy', { destination: '/mnt', readOnly: true, kind: volume({ name: 'name', noCopy: true }) }],
    ['/mnt', { destination: '/mnt', readOnly: false, kind: volume({}) }],
  ])('takes %s', (text, mount) => {
    expect(parse({ volume: [text] })).toEqual([mount]);
  });

  it('takes --mount type=volume', () => {
    expect(parse({ mount: ['type=volume,source=data,target=/d,volume-subpath=a/b,volume-nocopy,readonly', 'type=volume,dst=/e'] })).toEqual([
      { destination: '/d', readOnly: true, kind: volume({ name: 'data', subPath: 'a/b', noCopy: true }) },
      { destination: '/e', readOnly: false, kind: volume({}) },
    ]);
  });
});

describe('--mount', () => {
  it('takes every spelling of its keys', () => {
    expect(parse({ mount: ['type=bind,source=/a,destination=/b,readonly', 'src=c,dst=/d,ro=true,bind-propagation=rslave', 'type=bind,src=/a,target=/e,bind-nonrecursive=true'] })).toEqual([
      { destination: '/b', readOnly: true, kind: bind('/a') },
      { destination: '/d', readOnly: true, kind: bind('/work/c', { propagation: MountPropagation.MOUNT_PROPAGATION_SLAVE }) },
      { destination: '/e', readOnly: false, kind: bind('/a', { nonRecursive: true }) },
    ]);
    expect(parse({ mount: ['type=tmpfs,dst=/t,tmpfs-size=16m,tmpfs-mode=700'] })).toEqual([{ destination: '/t', readOnly: false, kind: { $case: 'tmpfs', value: { sizeBytes: 16_777_216n, mode: 0o700 } } }]);
  });

  it.each(['type=bind,source=/a', 'type=bind,dst=/b', 'type=overlay,src=/a,dst=/b', 'type=bind,src=/a,dst=/b,size=1', 'type=bind,src=/a,dst=/b,bind-propagation=shared', 'type=tmpfs,dst=/t,tmpfs-mode=9'])('refuses %s', (text) => {
    expect(() => parse({ mount: [text] })).toThrow(UsageError);
  });
});

it('--tmpfs takes a path and its options', () => {
  expect(parse({ tmpfs: ['/run', '/t:size=1g,mode=755,ro'] })).toEqual([
    { destination: '/run', readOnly: false, kind: { $case: 'tmpfs', value: { sizeBytes: 0n, mode: 0 } } },
    { destination: '/t', readOnly: true, kind: { $case: 'tmpfs', value: { sizeBytes: 1_073_741_824n, mode: 0o755 } } },
  ]);
  expect(() => parse({ tmpfs: ['/t:uid=1'] })).toThrow('there is no option "uid"');
});
