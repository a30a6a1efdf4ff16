import { chown, lstat, mkdir, readFile, readdir, readlink, stat, statfs, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RootfsPlace } from '../../src/core/ports/storage.ts';
import { SystemFiles } from '../../src/host/files.ts';
import { LayerLinks } from '../../src/storage/layer-links.ts';
import { ImageFiller } from '../../src/storage/volumes/volume-filler.ts';
import { VolumeLedger } from '../../src/storage/volumes/volume-ledger.ts';
import { nodeVolumeMaker } from '../../src/storage/volumes/volume-maker.ts';
import { DirectoryVolumeStore } from '../../src/storage/volumes/volume-store.ts';
import { volumeRecord } from '../fakes/memory-volumes.ts';
import { StorageParts } from './storage-parts.ts';

let parts: StorageParts;

const at = (name: string): string => join(parts.root, name);
const exists = async (path: string): Promise<boolean> => await lstat(path).then(() => true, () => false);

async function open(): Promise<DirectoryVolumeStore> {
  const figures = async (path: string): Promise<{ blockBytes: number; blocks: number; available: number; inodes: number; inodesFree: number }> => {
    const { bsize, blocks, bavail, files, ffree } = await statfs(path);
    return { blockBytes: bsize, blocks, available: bavail, inodes: files, inodesFree: ffree };
  };
  return await DirectoryVolumeStore.open({ documents: new SystemFiles(), files: parts.files, maker: nodeVolumeMaker(parts.runner), runner: parts.runner, figures, trash: parts.trash, trashDir: at('trash'), logger: parts.logger }, at('volumes'));
}

beforeEach(async () => {
  parts = await StorageParts.make();
});

afterEach(async () => {
  await parts[Symbol.asyncDispose]();
});

describe('the store of volumes', () => {
  it('keeps directories with their modes, finds them again, and removes them with what is in them', async () => {
    const store = await open();
    const made = await store.create(volumeRecord({ mode: 0o2770, labels: { a: 'b' } }));
    expect((await stat(store.pathOf(made))).mode & 0o7777).toBe(0o2770);
    await writeFile(join(store.pathOf(made), 'file'), 'text');
    expect(await store.create(volumeRecord({ labels: { other: '' } }))).toEqual(made);
    await store.mark('data');
    const again = await open();
    expect(again.volumes).toEqual([{ ...made, removed: true }]);
    expect(await again.remove('data', () => true)).toBe(false);
    expect(await again.remove('data')).toBe(true);
    await parts.trash.settled();
    expect(await readdir(at('volumes'))).toEqual([]);
  });

  it('makes disks that take no room, with a file system that a kernel knows, and lets them grow', async () => {
    const store = await open();
    const disk = await store.create(volumeRecord({ name: 'disk', kind: 'block', sizeBytes: 64 << 20, filesystem: 'ext4' }));
    const raw = await store.create(volumeRecord({ name: 'raw', kind: 'block', sizeBytes: 1 << 20 }));
    const found = await stat(store.pathOf(disk));
    expect([found.size, found.blocks * 512 < 4 << 20, found.mode & 0o777]).toEqual([64 << 20, true, 0o600]);
    // The magic number of ext2 and its successors: 56 bytes into the superblock at 1024.
    expect((await readFile(store.pathOf(disk))).readUInt16LE(1024 + 56)).toBe(0xef53);
    expect((await stat(store.pathOf(raw))).blocks).toBe(0);
    await store.grow('disk', 128 << 20);
    await store.grow('disk', 1 << 20);
    expect((await stat(store.pathOf(disk))).size).toBe(128 << 20);
    expect((await open()).get('disk')?.sizeBytes).toBe(128 << 20);
    expect(await store.usage(await store.grow('disk', 0))).toMatchObject({ capacityBytes: 128 << 20 });
  });

  it('measures a directory by what is in it', async () => {
    const store = await open();
    const made = await store.create(volumeRecord());
    await writeFile(join(store.pathOf(made), 'file'), Buffer.alloc(1 << 20, 1));
    const { usedBytes, inodesUsed, capacityBytes, availableBytes } = await store.usage(made);
    expect([usedBytes >= 1 << 20, usedBytes < 2 << 20, inodesUsed, capacityBytes > availableBytes]).toEqual([true, true, 2, true]);
  });

  it('has nothing half made: what an earlier daemon was at goes, what can not be read stays', async () => {
    await mkdir(at('volumes/.making-half/data'), { recursive: true });
    await mkdir(at('volumes/broken/data'), { recursive: true });
    await writeFile(at('volumes/broken/volume.json'), '{');
    await mkdir(at('volumes/renamed'), { recursive: true });
    const store = await open();
    await parts.trash.settled();
    expect(store.volumes).toEqual([]);
    expect(await exists(at('volumes/.making-half'))).toBe(false);
    expect((await store.strays()).map(({ unreadable }) => unreadable)).toEqual([true, true]);
    await expect(store.create(volumeRecord({ name: 'broken' }))).rejects.toMatchObject({ reason: 'HOST_RESOURCE' });
    expect(await readdir(at('volumes'))).toEqual(['broken', 'renamed']);
  });

  it('says what stood in the way of a file system, and leaves nothing', async () => {
    const store = await open();
    await expect(store.create(volumeRecord({ name: 'tiny', kind: 'block', sizeBytes: 4096, filesystem: 'ext4' }))).rejects.toMatchObject({ reason: 'HOST_RESOURCE', message: expect.stringContaining('mke2fs') as unknown });
    expect(await readdir(at('volumes'))).toEqual([]);
  });

  it('has its kind in the ledger: what was to go and is needed by nobody, and what is half made', async () => {
    const store = await open();
    const used = new Set<string>();
    const ledger = new VolumeLedger({ store, isUsed: (name) => used.has(name) });
    await store.create(volumeRecord({ name: 'kept' }));
    await store.create(volumeRecord({ name: 'passing', anonymous: true, removed: true }));
    await mkdir(at('volumes/.making-x'));
    expect((await ledger.find()).map(({ attributes }) => attributes['standing'])).toEqual(['kept', 'passing', 'half-made']);
    used.add('passing');
    for (const found of await ledger.find()) if (found.attributes['standing'] !== 'kept') await ledger.remove(found);
    expect((await ledger.find()).map(({ attributes }) => attributes['volume'])).toEqual(['kept', 'passing']);
    used.clear();
    for (const found of await ledger.find()) if (found.attributes['standing'] === 'passing') await ledger.remove(found);
    expect(store.volumes.map(({ name }) => name)).toEqual(['kept']);
  });
});

describe('what images have where a volume is mounted', () => {
  let place: RootfsPlace;
  let filler: ImageFiller;

  beforeEach(async () => {
    place = { containerId: 'c1', stateDir: at('state'), shareDir: at('share'), trashDir: at('trash') };
    filler = new ImageFiller({ mounter: parts.mounter, files: parts.files, links: new LayerLinks(at('l'), parts.files), runner: parts.runner });
    await mkdir(at('top/srv'), { recursive: true });
    await mkdir(at('bottom/srv/inner'), { recursive: true, mode: 0o700 });
    await mkdir(at('into'));
    await writeFile(at('top/srv/new'), 'of the top');
    await writeFile(at('bottom/srv/inner/old'), 'of the bottom');
    await chown(at('bottom/srv/inner/old'), 1000, 1001);
    await symlink('/etc/passwd', at('bottom/srv/link'));
    await symlink('../srv', at('bottom/var'));
  });

  it('is copied from all layers with owners and links as they are, found behind links of the image', async () => {
    await filler.fill(place, { lowers: [at('top'), at('bottom')], path: '/var' }, at('into'));
    expect((await readdir(at('into'))).sort()).toEqual(['inner', 'link', 'new']);
    expect(await stat(at('into/inner/old'))).toMatchObject({ uid: 1000, gid: 1001 });
    expect(await readlink(at('into/link'))).toBe('/etc/passwd');
    expect(await parts.mountsBelow(parts.root)).toEqual([]);
    expect(await exists(at('into.filling'))).toBe(false);
  });

  it('is not copied where something is already, and where the image has no directory', async () => {
    await writeFile(at('into/mine'), '');
    await filler.fill(place, { lowers: [at('top')], path: '/srv' }, at('into'));
    await mkdir(at('empty'));
    await filler.fill(place, { lowers: [at('top')], path: '/no/such' }, at('empty'));
    await filler.fill(place, { lowers: [at('top')], path: '/srv/new' }, at('empty'));
    expect([await readdir(at('into')), await readdir(at('empty'))]).toEqual([['mine'], []]);
  });

  it('can not lead out of the image', async () => {
    await symlink('../../../..', at('top/up'));
    await mkdir(at('top/etc'));
    await writeFile(at('top/etc/mine'), '');
    await filler.fill(place, { lowers: [at('top')], path: '/up/etc' }, at('into'));
    expect(await readdir(at('into'))).toEqual(['mine']);
  });
});
