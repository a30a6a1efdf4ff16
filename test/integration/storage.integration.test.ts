import { execFileSync } from 'node:child_process';
import { chmod, chown, mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RootfsPlace } from '../../src/core/ports/storage.ts';
import { DirectoryImageStore } from '../../src/storage/image-store.ts';
import { readUserFiles } from '../../src/storage/rootfs-users.ts';
import { SourceResolver } from '../../src/storage/source-resolver.ts';
import { makeVolumeDirectories } from '../../src/storage/volume-directories.ts';
import { StorageParts } from './storage-parts.ts';

let parts: StorageParts;

beforeEach(async () => {
  parts = await StorageParts.make();
});

afterEach(async () => {
  await parts[Symbol.asyncDispose]();
});

async function write(path: string, text: string): Promise<string> {
  const full = join(parts.root, path);
  await mkdir(join(full, '..'), { recursive: true });
  await writeFile(full, text);
  return full;
}

function placeOf(containerId: string): RootfsPlace {
  return { containerId, stateDir: join(parts.root, 'state', containerId), shareDir: join(parts.root, 'shared'), trashDir: join(parts.root, 'trash') };
}

describe("a container's root file system", () => {
  it('shows the lower directory, keeps it unchanged, and is gone after its removal', async () => {
    await write('lower/etc/motd', 'hello');
    const rootfs = await parts.rootfs.prepare(placeOf('c1'), [join(parts.root, 'lower')]);
    expect(rootfs).toEqual({ kind: 'virtiofs', hostPath: join(parts.root, 'shared/c1/rootfs'), guestPath: 'c1/rootfs' });
    await writeFile(join(rootfs.hostPath, 'etc/motd'), 'changed');
    expect(await readFile(join(parts.root, 'lower/etc/motd'), 'utf8')).toBe('hello');
    await parts.rootfs.remove(placeOf('c1'));
    expect(await parts.mountsBelow(parts.root)).toEqual([]);
    expect(await readdir(join(parts.root, 'shared'))).toEqual([]);
    await parts.trash.settled();
    expect(await readdir(join(parts.root, 'trash'))).toEqual([]);
  });

  it('is mounted once when it is prepared twice, and keeps what was written', async () => {
    await write('lower/a', '1');
    const { hostPath } = await parts.rootfs.prepare(placeOf('c1'), [join(parts.root, 'lower')]);
    await writeFile(join(hostPath, 'b'), '2');
    await parts.rootfs.prepare(placeOf('c1'), [join(parts.root, 'lower')]);
    expect(await parts.mountsBelow(parts.root)).toEqual([hostPath]);
    expect((await readdir(hostPath)).sort()).toEqual(['a', 'b']);
  });

  it('keeps what was written when it is mounted anew over the same layers', async () => {
    await write('lower/a', '1');
    const { hostPath } = await parts.rootfs.prepare(placeOf('c1'), [join(parts.root, 'lower')]);
    await writeFile(join(hostPath, 'b'), '2');
    await parts.mounter.unmountAll(join(parts.root, 'shared'));
    await parts.rootfs.prepare(placeOf('c1'), [join(parts.root, 'lower')]);
    expect(await readFile(join(hostPath, 'b'), 'utf8')).toBe('2');
  });

  it("has the root directory's owner and mode of its image, whatever the umask, and those that a container set", async () => {
    await write('lower/a', '1');
    await chmod(join(parts.root, 'lower'), 0o1755);
    await chown(join(parts.root, 'lower'), 12, 34);
    const { hostPath } = await parts.rootfs.prepare(placeOf('c1'), [join(parts.root, 'lower')]);
    expect(await stat(hostPath)).toMatchObject({ uid: 12, gid: 34, mode: 0o41755 });
    await writeFile(join(hostPath, 'b'), '2');
    await chmod(hostPath, 0o711);
    await parts.mounter.unmountAll(join(parts.root, 'shared'));
    await parts.rootfs.prepare(placeOf('c1'), [join(parts.root, 'lower')]);
    expect(await stat(hostPath)).toMatchObject({ uid: 12, gid: 34, mode: 0o40711 });
  });

  it('shows several directories as one, the first over those after it, with its whiteouts', async () => {
    await write('base/etc/a', 'base');
    await write('base/gone', 'base');
    await write('middle/etc/a', 'middle');
    await write('middle/etc/b', 'middle');
    await mkdir(join(parts.root, 'top/etc'), { recursive: true });
    execFileSync('mknod', [join(parts.root, 'top/gone'), 'c', '0', '0']);
    const lowers = ['top', 'middle', 'base'].map((name) => join(parts.root, name));
    const { hostPath } = await parts.rootfs.prepare(placeOf('c1'), lowers);
    expect([await readFile(join(hostPath, 'etc/a'), 'utf8'), await readFile(join(hostPath, 'etc/b'), 'utf8'), await readdir(hostPath)]).toEqual(['middle', 'middle', ['etc']]);
  });

  it('takes more directories than their names have room for in one mount', async () => {
    const lowers = Array.from({ length: 120 }, (_, index) => join(parts.root, 'layers/sha256', String(index).padStart(64, '0'), 'fs'));
    for (const [index, lower] of lowers.entries()) await write(join(lower.slice(parts.root.length + 1), `f${index}`), 'x');
    const { hostPath } = await parts.rootfs.prepare(placeOf('c1'), lowers);
    expect(await readdir(hostPath)).toHaveLength(120);
    expect(await readdir(join(parts.root, 'l'))).toEqual([]);
  });

  it('serves two containers from one lower directory whose path has every special character', async () => {
    await write('lo,w:er \\x/a', '1');
    const lower = join(parts.root, 'lo,w:er \\x');
    const both = await Promise.all(['c1', 'c2'].map(async (id) => await parts.rootfs.prepare(placeOf(id), [lower])));
    await writeFile(join(both[0]!.hostPath, 'a'), 'changed');
    expect(await readFile(join(both[1]!.hostPath, 'a'), 'utf8')).toBe('1');
  });

  it('is removed any number of times, also when nothing or only a part was made', async () => {
    await parts.rootfs.remove(placeOf('c1'));
    await mkdir(join(parts.root, 'state/c2/upper'), { recursive: true });
    await mkdir(join(parts.root, 'shared/c2'), { recursive: true });
    await parts.rootfs.remove(placeOf('c2'));
    await parts.rootfs.remove(placeOf('c2'));
    expect(await readdir(join(parts.root, 'shared'))).toEqual([]);
    expect(await readdir(join(parts.root, 'state/c2'))).toEqual([]);
  });

  it('a lower directory that is missing is told before anything is made', async () => {
    await expect(parts.rootfs.prepare(placeOf('c1'), [join(parts.root, 'nowhere')])).rejects.toMatchObject({ reason: 'ROOTFS_FAILED', message: expect.stringContaining('nowhere is missing') as string });
    expect(await readdir(parts.root)).toEqual([]);
  });

  it('what a container wrote is out of the way without waiting for the disk', async () => {
    await write('lower/a', '1');
    const { hostPath } = await parts.rootfs.prepare(placeOf('c1'), [join(parts.root, 'lower')]);
    for (let index = 0; index < 10; index += 1) await writeFile(join(hostPath, `f${index}`), Buffer.alloc(10_000_000, 1));
    const began = performance.now();
    await parts.rootfs.remove(placeOf('c1'));
    const tookMs = performance.now() - began;
    // A few milliseconds when the machine is idle; syncing 100 MB takes far longer on any disk. The limit leaves room for a loaded machine.
    expect(tookMs).toBeLessThan(1_000);
    await parts.trash.settled();
    expect(await readdir(join(parts.root, 'trash'))).toEqual([]);
  });
});

describe('the trash', () => {
  it('takes what is there by name, twice the same too, and what is missing', async () => {
    const trashDir = join(parts.root, 'trash');
    for (let round = 0; round < 2; round += 1) {
      await write('gone/deep/file', 'x');
      await parts.trash.discard(join(parts.root, 'gone'), trashDir);
    }
    await parts.trash.discard(join(parts.root, 'gone'), trashDir);
    expect(await readdir(trashDir)).toHaveLength(2);
    parts.trash.empty(trashDir);
    await parts.trash.settled();
    expect(await readdir(trashDir)).toEqual([]);
  });

  it('goes on with what an earlier daemon left, however much', async () => {
    for (let index = 0; index < 100; index += 1) await write(`trash/${index}/file`, 'x');
    parts.trash.empty(join(parts.root, 'trash'));
    await parts.trash.settled();
    expect(await readdir(join(parts.root, 'trash'))).toEqual([]);
  });

  it('removes nothing through a mount, says so, and removes the rest', async () => {
    const precious = await write('precious/file', 'x');
    await mkdir(join(parts.root, 'trash/a/mounted'), { recursive: true });
    await write('trash/b/file', 'x');
    await parts.mounter.mount([{ source: 'tmpfs', target: join(parts.root, 'trash/a/mounted'), fsType: 'tmpfs' }]);
    await writeFile(join(parts.root, 'trash/a/mounted/kept'), 'x');
    parts.trash.empty(join(parts.root, 'trash'));
    await parts.trash.settled();
    expect(await readdir(join(parts.root, 'trash/a/mounted'))).toEqual(['kept']);
    expect(await readdir(join(parts.root, 'trash'))).toEqual(['a']);
    expect((await stat(precious)).size).toBe(1);
    expect(parts.logger.lines.map((line) => line.message)).toEqual(['some trash could not be removed']);
  });
});

describe("an image's volumes", () => {
  it('are made where they are missing, and found behind the links of the image, never outside', async () => {
    await mkdir(join(parts.root, 'rootfs/var/lib'), { recursive: true });
    await chown(join(parts.root, 'rootfs/var/lib'), 12, 34);
    await symlink('/var/lib', join(parts.root, 'rootfs/data'));
    await symlink('../../../../../etc', join(parts.root, 'rootfs/out'));
    const made = await makeVolumeDirectories(join(parts.root, 'rootfs'), ['/data/db', '/out/x', '/var/../srv', '/var/lib']);
    expect(made).toEqual([{ destination: '/data/db', path: '/var/lib/db' }, { destination: '/out/x', path: '/etc/x' }, { destination: '/var/../srv', path: '/srv' }, { destination: '/var/lib', path: '/var/lib' }]);
    expect(await stat(join(parts.root, 'rootfs/var/lib/db'))).toMatchObject({ uid: 12, gid: 34, mode: 0o40755 });
    expect(await readdir(join(parts.root, 'rootfs'))).toEqual(['data', 'etc', 'out', 'srv', 'var']);
  });

  it('a file in the place of one, and links in a circle, are told', async () => {
    await write('rootfs/file', 'x');
    await symlink('b', join(parts.root, 'rootfs/a'));
    await symlink('a', join(parts.root, 'rootfs/b'));
    await expect(makeVolumeDirectories(join(parts.root, 'rootfs'), ['/file'])).rejects.toMatchObject({ reason: 'ROOTFS_FAILED', message: expect.stringContaining('volume /file') as string });
    await expect(makeVolumeDirectories(join(parts.root, 'rootfs'), ['/a'])).rejects.toMatchObject({ reason: 'ROOTFS_FAILED', message: expect.stringContaining('too many links') as string });
  });
});

describe('images', () => {
  const stores = (): DirectoryImageStore => new DirectoryImageStore([join(parts.root, 'own'), join(parts.root, 'builtin'), join(parts.root, 'none')], parts.files);

  async function image(home: string, config: Record<string, unknown>): Promise<void> {
    await mkdir(join(parts.root, home, 'rootfs'), { recursive: true });
    await write(`${home}/image.json`, JSON.stringify(config));
  }

  it('are found by name, with links resolved and the first directory first', async () => {
    await image('builtin/.store/busybox@1', { name: 'busybox', digest: 'sha256:1', cmd: ['sh'], env: ['A=1'], workdir: '/w', user: '0:0', source: { package: 'busybox-static', version: '1' } });
    await symlink('.store/busybox@1', join(parts.root, 'builtin/busybox'));
    await image('builtin/other', { command: ['a'], workingDir: '/o' });
    await image('own/other', { command: ['b'] });
    expect(await stores().resolve('busybox:latest')).toEqual({
      name: 'busybox', digest: 'sha256:1', lowers: [join(parts.root, 'builtin/.store/busybox@1/rootfs')], entrypoint: [], command: ['sh'], env: ['A=1'], workingDir: '/w', user: '0:0', stopSignal: '', volumes: [], sizeBytes: 0, source: 'busybox-static 1', pulled: undefined,
    });
    expect((await stores().list()).map((found) => [found.name, found.command])).toEqual([['busybox', ['sh']], ['other', ['b']]]);
  });

  it.each(['nope', '../own', '', 'a/b', '.store'])('"%s" is not found, and the answer says what there is', async (name) => {
    await image('own/one', {});
    await expect(stores().resolve(name)).rejects.toMatchObject({ reason: 'IMAGE_NOT_FOUND', details: { remedy: 'use one of: one' } });
  });

  it('one that is broken is told when it is asked for, and hides no other', async () => {
    await image('own/good', {});
    await image('own/bad', {});
    await write('own/bad/image.json', '{"cmd":\n "sh"');
    expect((await stores().list()).map((found) => found.name)).toEqual(['good']);
    await expect(stores().resolve('bad')).rejects.toMatchObject({ reason: 'ROOTFS_FAILED', message: expect.stringMatching(/line 2/) as string });
  });
});

describe('sources', () => {
  const resolver = (): SourceResolver => new SourceResolver(new DirectoryImageStore([], parts.files), parts.files);

  it('a directory is taken with its links resolved', async () => {
    await mkdir(join(parts.root, 'real'));
    await symlink('real', join(parts.root, 'link'));
    expect(await resolver().resolve({ kind: 'path', path: join(parts.root, 'link') })).toMatchObject({ lowers: [join(parts.root, 'real')], image: undefined, bundleSpec: undefined });
  });

  it('a bundle gives its config and its root', async () => {
    await mkdir(join(parts.root, 'b/rootfs'), { recursive: true });
    await write('b/config.json', '{"ociVersion":"1.0.2-dev","root":{"path":"rootfs"}}');
    expect(await resolver().resolve({ kind: 'bundle', path: join(parts.root, 'b') })).toMatchObject({ lowers: [join(parts.root, 'b/rootfs')], bundleSpec: { ociVersion: '1.0.2-dev' } });
  });

  it.each([
    ['no config', undefined, /config\.json is missing/],
    ['bad JSON', '{\n"ociVersion": ,', /line 2, column 15/],
    ['JSON that ends too early', '{\n"ociVersion": "1.0.2"', /line 2, column 22/],
    ['an unknown version', '{"ociVersion":"2.0.0","root":{"path":"rootfs"}}', /ociVersion "2\.0\.0"/],
    ['no version', '{"root":{"path":"rootfs"}}', /ociVersion none/],
    ['no root', '{"ociVersion":"1.0.2"}', /no root\.path/],
    ['a root that is missing', '{"ociVersion":"1.0.2","root":{"path":"elsewhere"}}', /elsewhere does not exist/],
  ])('a bundle with %s is refused by name', async (_case, config, words) => {
    await mkdir(join(parts.root, 'b/rootfs'), { recursive: true });
    if (config !== undefined) await write('b/config.json', config);
    await expect(resolver().resolve({ kind: 'bundle', path: join(parts.root, 'b') })).rejects.toMatchObject({ reason: 'INVALID_REQUEST', message: expect.stringMatching(words) as string });
  });

  it.each([['relative', 'x', /not absolute/], ['missing', '/nonexistent-vv', /does not exist/], ['a file', '/etc/hostname', /not a directory/]])('a directory that is %s is refused by name', async (_case, path, words) => {
    await expect(resolver().resolve({ kind: 'path', path })).rejects.toMatchObject({ reason: 'INVALID_REQUEST', message: expect.stringMatching(words) as string });
  });
});

describe('the users of a root file system', () => {
  it('are read inside it, also through links that would lead out', async () => {
    await write('rootfs/usr/etc/passwd', 'in:x:1:1::/:\n');
    await symlink('/usr/etc', join(parts.root, 'rootfs/etc'));
    await symlink('../../../../../../etc/hostname', join(parts.root, 'rootfs/usr/etc/group'));
    expect(await readUserFiles(join(parts.root, 'rootfs'))).toEqual({ passwd: 'in:x:1:1::/:\n', group: undefined });
  });

  it('are none where the files are missing', async () => {
    await mkdir(join(parts.root, 'rootfs'));
    expect(await readUserFiles(join(parts.root, 'rootfs'))).toEqual({ passwd: undefined, group: undefined });
  });

  it('are not waited for, and not read without end', async () => {
    await mkdir(join(parts.root, 'rootfs/etc'), { recursive: true });
    await parts.runner.run('mkfifo', [join(parts.root, 'rootfs/etc/passwd')], { timeoutMs: 5_000 });
    await expect(readUserFiles(join(parts.root, 'rootfs'))).rejects.toMatchObject({ reason: 'ROOTFS_FAILED' });
  });

  it('links that go round are an error and no loop', async () => {
    await mkdir(join(parts.root, 'rootfs/etc'), { recursive: true });
    await symlink('passwd', join(parts.root, 'rootfs/etc/passwd'));
    await expect(readUserFiles(join(parts.root, 'rootfs'))).rejects.toMatchObject({ reason: 'ROOTFS_FAILED' });
  });
});
