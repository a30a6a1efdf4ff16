import { expect, it } from 'vitest';
import type { MountSpec } from '../../../../src/core/model/sandbox-spec.ts';
import { defaultMounts } from '../../../../src/storage/oci/mounts.ts';
import { withOwnMounts } from '../../../../src/storage/oci/own-mounts.ts';

const BASE = defaultMounts({ privileged: false, shmSizeBytes: 0, guestFiles: ['/etc/hosts'], readOnlyRootfs: false });
const bind = (destination: string, more: Partial<Extract<MountSpec, { kind: 'bind' }>> = {}): MountSpec => ({ kind: 'bind', destination, readOnly: false, source: '/s', recursive: true, propagation: 'private', ...more });
const tmpfs = (sizeBytes: number, mode = 0): MountSpec => ({ kind: 'tmpfs', destination: '/t', readOnly: false, sizeBytes, mode });
const own = (mounts: readonly MountSpec[], memoryBytes = 0): readonly object[] => withOwnMounts(BASE, mounts, { containerId: 'c', memoryBytes }).slice(BASE.length);

it('parents come before what is mounted below them, each with the number that its caller gave it', () => {
  expect(own([bind('/a/b/c'), bind('/a'), bind('/a/b', { readOnly: true, recursive: false, propagation: 'slave' })])).toEqual([
    { destination: '/a', type: 'bind', source: '/run/kata-containers/shared/containers/c/mounts/1', options: ['rbind', 'rprivate', 'rw'] },
    { destination: '/a/b', type: 'bind', source: '/run/kata-containers/shared/containers/c/mounts/2', options: ['bind', 'rslave', 'ro'] },
    { destination: '/a/b/c', type: 'bind', source: '/run/kata-containers/shared/containers/c/mounts/0', options: ['rbind', 'rprivate', 'rw'] },
  ]);
});

it('one at the destination of a default takes its place', () => {
  const mounts = withOwnMounts(BASE, [bind('/etc/hosts'), { kind: 'tmpfs', destination: '/dev/shm', readOnly: false, sizeBytes: 1 << 20, mode: 0 }], { containerId: 'c', memoryBytes: 0 });
  expect(mounts).toHaveLength(BASE.length);
  expect(mounts.filter(({ destination }) => destination === '/etc/hosts')).toMatchObject([{ source: '/run/kata-containers/shared/containers/c/mounts/0' }]);
  expect(mounts.filter(({ destination }) => destination === '/dev/shm')).toMatchObject([{ options: expect.arrayContaining(['size=1048576']) as unknown }]);
});

it.each([
  ['its own size', tmpfs(4096, 0o700), 1 << 20, ['size=4096', 'mode=700']],
  ["its container's limit", tmpfs(0), 1 << 20, ['size=1048576', 'mode=1777']],
  ['a default and never half of the guest', tmpfs(0), 0, ['size=67108864', 'mode=1777']],
])('a tmpfs is bounded by %s', (_by, mount, memoryBytes, expected) => {
  expect(own([mount], memoryBytes)).toMatchObject([{ type: 'tmpfs', options: expect.arrayContaining(expected) as unknown }]);
});
