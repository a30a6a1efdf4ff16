import { execFileSync } from 'node:child_process';
import { mkdir, readdir, readFile, readlink, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ProcessRunner } from '../../src/core/ports/host.ts';
import type { ImageConfig } from '../../src/core/ports/storage.ts';
import { SystemFiles } from '../../src/host/files.ts';
import { ErofsImages } from '../../src/storage/disks/erofs-images.ts';
import { Ext4Blanks } from '../../src/storage/disks/ext4-blanks.ts';
import { LayerLinks } from '../../src/storage/layer-links.ts';
import { readUserFiles } from '../../src/storage/rootfs-users.ts';
import { makeVolumeDirectories } from '../../src/storage/volume-directories.ts';
import { StorageParts } from './storage-parts.ts';

const GIB = 1024 ** 3;

let parts: StorageParts;
let image: ImageConfig;
let ran: string[];

beforeEach(async () => {
  parts = await StorageParts.make();
  ran = [];
  const [base, top] = [join(parts.root, 'layers/base'), join(parts.root, 'layers/top')];
  for (const directory of [`${base}/etc`, `${base}/lib`, `${top}/etc`, `${top}/srv/data`]) await mkdir(directory, { recursive: true });
  await writeFile(`${base}/etc/passwd`, 'root:x:0:0::/root:/bin/sh\n');
  await writeFile(`${base}/etc/gone`, 'x');
  await writeFile(`${base}/lib/kept`, 'kept');
  await utimes(`${base}/lib/kept`, 1_000_000, 1_000_000);
  await writeFile(`${top}/etc/passwd`, 'web:x:1000:1000::/:/bin/sh\n');
  await symlink('/srv/data', `${top}/data`);
  execFileSync('mknod', [`${top}/etc/gone`, 'c', '0', '0']);
  // setxattr(2): Node has no call for it, and the program that has comes with no package that is needed otherwise.
  execFileSync('perl', ['-e', 'exit(syscall(188, $ARGV[0], $ARGV[1], $ARGV[2], 2, 0) == 0 ? 0 : 1)', `${base}/lib/kept`, 'user.note', 'hi']);
  image = { name: 'demo', digest: 'sha256:a', lowers: [top, base], entrypoint: [], command: [], env: [], workingDir: '/', user: '', stopSignal: '', volumes: ['/data', '/var/new'], sizeBytes: 1, source: '', pulled: undefined };
});

afterEach(async () => {
  await parts[Symbol.asyncDispose]();
});

function counting(fail?: RegExp): ProcessRunner {
  return { run: async (command, args, options) => {
    ran.push(command);
    if (fail?.test(command) === true) return { code: 1, stdout: '', stderr: `${command}: No space left on device` };
    return await parts.runner.run(command, args, options);
  } };
}

function images(fail?: RegExp): ErofsImages {
  const { mounter, files, root } = parts;
  const write = (path: string, text: string): Promise<void> => new SystemFiles().publish(path, text);
  return new ErofsImages({ mounter, files, links: new LayerLinks(join(root, 'l'), files), runner: counting(fail), write, readUserFiles, makeVolumes: makeVolumeDirectories, directory: join(root, 'disks') });
}

describe('an image as a disk', () => {
  it('has what its layers have together, with their times and attributes, and its volumes', async () => {
    const disk = await images().provide(image);
    expect(disk.volumes).toEqual([{ destination: '/data', path: '/srv/data' }, { destination: '/var/new', path: '/var/new' }]);
    expect((await readUserFiles(disk.users)).passwd).toBe('web:x:1000:1000::/:/bin/sh\n');
    const out = join(parts.root, 'out');
    execFileSync('fsck.erofs', [`--extract=${out}`, disk.path], { stdio: 'ignore' });
    expect(await readdir(join(out, 'etc'))).toEqual(['passwd']);
    expect([await readFile(join(out, 'lib/kept'), 'utf8'), (await stat(join(out, 'lib/kept'))).mtimeMs, await readlink(join(out, 'data')), (await stat(join(out, 'var/new'))).isDirectory()]).toEqual(['kept', 1_000_000_000, '/srv/data', true]);
    expect(execFileSync('dump.erofs', ['--path=/lib/kept', disk.path]).toString()).toMatch(/Xattr size: [1-9]/);
    expect([await readdir(join(parts.root, 'disks/making')), await parts.mountsBelow(parts.root)]).toEqual([[], []]);
  });

  it('is made once, also when it is asked for several times at once, and found by the next daemon', async () => {
    const store = images();
    const made = await Promise.all([store.provide(image), store.provide(image), store.provide(image)]);
    expect([new Set(made.map(({ path }) => path)).size, ran]).toEqual([1, ['mkfs.erofs']]);
    expect(await images().provide(image)).toEqual(made[0]);
    expect(ran).toEqual(['mkfs.erofs']);
  });

  it('is the same file whenever it is made', async () => {
    const { path } = await images().provide(image);
    const first = await readFile(path);
    await parts.files.removeTree(join(parts.root, 'disks'));
    await images().provide(image);
    expect((await readFile(path)).equals(first)).toBe(true);
  });

  it('of which there was no room for all leaves nothing, and is made when there is', async () => {
    await expect(images(/erofs/).provide(image)).rejects.toMatchObject({ reason: 'STORAGE_FULL' });
    expect(await readdir(join(parts.root, 'disks'))).toEqual(['making']);
    expect([await readdir(join(parts.root, 'disks/making')), await parts.mountsBelow(parts.root)]).toEqual([[], []]);
    await images().provide(image);
  });

  it('that a killed daemon left half made is cleared by the next one, mount and all', async () => {
    const half = join(parts.root, 'disks/making/x/merged');
    await mkdir(half, { recursive: true });
    await parts.mounter.mount([{ source: 'tmpfs', target: half, fsType: 'tmpfs' }]);
    await images().clear();
    expect([await readdir(join(parts.root, 'disks')), await parts.mountsBelow(parts.root)]).toEqual([[], []]);
  });

  it('is given up with the last who wants it', async () => {
    const leaving = new AbortController();
    const store = images();
    const left = store.provide(image, { signal: leaving.signal }).catch((error: unknown) => error);
    leaving.abort(new Error('gone'));
    expect(await left).toBeInstanceOf(Error);
    await store.provide(image);
  });

  it('that is gone is told to whoever has it on record', async () => {
    await expect(images().known(join(parts.root, 'disks/k/rootfs.erofs'))).rejects.toMatchObject({ reason: 'ROOTFS_FAILED' });
  });
});

describe('a disk to write on', () => {
  const blanks = (fail?: RegExp): Ext4Blanks => new Ext4Blanks({ runner: counting(fail), files: parts.files, directory: join(parts.root, 'disks') });

  it('is an empty file system that takes next to nothing, formatted once for all of its size', async () => {
    const [a, b] = [join(parts.root, 'a/disk.img'), join(parts.root, 'b/disk.img')];
    const store = blanks();
    await Promise.all([store.provide(a, 10 * GIB), store.provide(b, 10 * GIB)]);
    expect(ran.filter((command) => command === 'mkfs.ext4')).toHaveLength(1);
    const { size, blocks } = await stat(a);
    expect([size, blocks * 512 < 16 * 1024 ** 2]).toEqual([10 * GIB, true]);
    execFileSync('e2fsck', ['-fn', a], { stdio: 'ignore' });
  });

  it('that is there is left as it is', async () => {
    const path = join(parts.root, 'a/disk.img');
    await blanks().provide(path, GIB);
    await writeFile(path, 'written');
    await blanks().provide(path, GIB);
    expect(await readFile(path, 'utf8')).toBe('written');
  });

  it.each([/mkfs/, /cp/])('for which there is no room leaves nothing half made (%s)', async (fail) => {
    const path = join(parts.root, 'a/disk.img');
    await expect(blanks(fail).provide(path, GIB)).rejects.toMatchObject({ reason: 'STORAGE_FULL' });
    expect((await readdir(join(parts.root, 'disks'))).filter((name) => name.endsWith('.new'))).toEqual([]);
    expect(await parts.files.inspect(path)).toBeUndefined();
    await blanks().provide(path, GIB);
  });
});
