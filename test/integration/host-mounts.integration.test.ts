import { mkdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { MountSpec } from '../../src/core/model/sandbox-spec.ts';
import type { RootfsPlace } from '../../src/core/ports/storage.ts';
import { BindMounts } from '../../src/storage/host-mounts.ts';
import { StorageParts } from './storage-parts.ts';

let parts: StorageParts;
let place: RootfsPlace;
let mounts: BindMounts;

const bind = (source: string, more: Partial<Extract<MountSpec, { kind: 'bind' }>> = {}): MountSpec => ({ kind: 'bind', destination: '/d', readOnly: false, source, recursive: true, propagation: 'private', ...more });
const at = (name: string): string => join(parts.root, name);
const shown = (index: number, name = ''): string => join(place.shareDir, place.containerId, 'mounts', String(index), name);

beforeEach(async () => {
  parts = await StorageParts.make();
  place = { containerId: 'c1', stateDir: at('state'), shareDir: at('share'), trashDir: at('trash') };
  mounts = new BindMounts({ mounter: parts.mounter, files: parts.files, roots: [parts.root, '/proc', '/etc'] });
  await mkdir(at('data/inner'), { recursive: true });
  await writeFile(at('data/file'), 'text');
});

afterEach(async () => {
  await parts[Symbol.asyncDispose]();
});

it('shows directories and files, read-only where that was asked for, and leaves them as they were', async () => {
  await symlink('data', at('link'));
  const found = await mounts.resolve([bind(at('link')), { kind: 'tmpfs', destination: '/t', readOnly: false, sizeBytes: 0, mode: 0 }, bind(at('data/file'), { readOnly: true })]);
  expect(found.map(({ index, source }) => [index, source])).toEqual([[0, at('data')], [2, at('data/file')]]);
  await mounts.prepare(place, found);
  await mounts.prepare(place, found);
  expect(await parts.mountsBelow(parts.root)).toEqual([shown(0), shown(2)]);
  await writeFile(shown(0, 'written'), 'x');
  await expect(writeFile(shown(2), 'x')).rejects.toMatchObject({ code: 'EROFS' });
  await mounts.remove(place);
  await mounts.remove(place);
  expect(await parts.mountsBelow(parts.root)).toEqual([]);
  await expect(stat(join(place.shareDir, 'c1', 'mounts'))).rejects.toMatchObject({ code: 'ENOENT' });
  await expect(readFile(at('data/written'), 'utf8')).resolves.toBe('x');
  await expect(readFile(at('data/file'), 'utf8')).resolves.toBe('text');
});

it('two hundred are made and removed as one', async () => {
  const found = await mounts.resolve(Array.from({ length: 200 }, () => bind(at('data'))));
  await mounts.prepare(place, found);
  expect(await parts.mountsBelow(parts.root)).toHaveLength(200);
  await mounts.remove(place);
  expect(await parts.mountsBelow(parts.root)).toEqual([]);
});

it('tells every source that is none, and mounts nothing', async () => {
  await symlink('/usr', at('out'));
  const server = createServer().listen(at('socket'));
  const wrong = [bind(at('missing')), bind(at('socket')), bind(at('out')), bind('/proc/self'), bind(at('data'))];
  await expect(mounts.resolve(wrong)).rejects.toMatchObject({
    reason: 'INVALID_REQUEST',
    details: {
      fields: [
        { field: 'spec.mounts[0].bind.source', description: expect.stringContaining('does not exist') as unknown },
        { field: 'spec.mounts[1].bind.source', description: expect.stringContaining('is a socket') as unknown },
        { field: 'spec.mounts[2].bind.source', description: expect.stringContaining('bind_roots') as unknown },
        { field: 'spec.mounts[3].bind.source', description: expect.stringContaining("host's kernel") as unknown },
      ],
    },
  });
  server.close();
});

it('a source that vanishes or turns into a link before it is mounted is an error that names it', async () => {
  const found = await mounts.resolve([bind(at('data'))]);
  await rm(at('data'), { recursive: true });
  await expect(mounts.prepare(place, found)).rejects.toMatchObject({ reason: 'ROOTFS_FAILED', message: expect.stringContaining(at('data')) as unknown });
  await symlink('/etc', at('data'));
  await expect(mounts.prepare(place, found)).rejects.toMatchObject({ reason: 'ROOTFS_FAILED', details: { facts: { errno: 'ELOOP' } } });
  await mounts.remove(place);
});
