import { existsSync } from 'node:fs';
import { mkdir, open, readdir, readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { once } from 'node:events';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Share, SharePlace } from '../../src/core/ports/storage.ts';
import { SystemFiles } from '../../src/host/files.ts';
import { LauncherClient } from '../../src/host/launcher-client.ts';
import { ProcessTable } from '../../src/host/process-identity.ts';
import { UnixDialer } from '../../src/host/unix-dialer.ts';
import type { VirtiofsdDriver } from '../../src/storage/virtiofsd.ts';
import { StorageParts } from './storage-parts.ts';

const VIRTIOFSD = '/usr/lib/qemu/virtiofsd';

let parts: StorageParts;
let driver: VirtiofsdDriver;

beforeEach(async () => {
  parts = await StorageParts.make(300);
  const { clock, helper, logger } = parts;
  driver = parts.shares(new LauncherClient({ helper, dialer: new UnixDialer(clock), files: new SystemFiles(), clock, processes: new ProcessTable(), logger }));
});

afterEach(async () => {
  await driver.remove(place());
  await parts[Symbol.asyncDispose]();
});

function place(change: Partial<SharePlace> = {}): SharePlace {
  return { runDir: join(parts.root, 'run'), virtiofsdPath: VIRTIOFSD, cache: 'auto', cgroups: [], ...change };
}

/** A container's root file system in the share, over a directory with one file. */
async function container(share: Share, id: string): Promise<void> {
  await mkdir(join(parts.root, 'lower'), { recursive: true });
  await writeFile(join(parts.root, 'lower/motd'), 'hello');
  await parts.rootfs.prepare(rootfsPlace(share, id), [join(parts.root, 'lower')]);
}

function rootfsPlace(share: Share, id: string): { containerId: string; stateDir: string; shareDir: string; trashDir: string } {
  return { containerId: id, stateDir: join(parts.root, 'state', id), shareDir: share.directory, trashDir: join(parts.root, 'trash') };
}

/** virtiofsd shuts itself into its namespaces once a VMM has connected; then its root is what a guest sees. */
async function guestView(share: Share): Promise<{ root: string; socket: Socket }> {
  const socket = connect(share.socketPath);
  await once(socket, 'connect');
  const children = async (): Promise<string> => (await readFile(`/proc/${share.pid}/task/${share.pid}/children`, 'utf8')).trim();
  for (let child = await children(), tries = 0; tries < 500; child = await children(), tries += 1) {
    const root = `/proc/${child}/root`;
    if (child !== '' && !existsSync(`${root}/proc/1`)) return { root, socket };
    await parts.clock.sleep(10);
  }
  throw new Error('virtiofsd did not enter its sandbox');
}

it('serves a socket, and a container that is mounted later is seen where the guest looks', async () => {
  const share = await driver.start(place());
  const view = await guestView(share);
  await container(share, 'c1');
  expect(await readFile(`${view.root}/c1/rootfs/motd`, 'utf8')).toBe('hello');
  await writeFile(`${view.root}/c1/rootfs/motd`, 'changed');
  expect(await readFile(join(share.directory, 'c1/rootfs/motd'), 'utf8')).toBe('changed');
  await parts.rootfs.remove(rootfsPlace(share, 'c1'));
  expect(await readdir(view.root)).toEqual([]);
  view.socket.destroy();
});

it('is never made to count cpus, which its own seccomp filter would kill it for', async () => {
  const share = await driver.start(place());
  const environment = (await readFile(`/proc/${share.pid}/environ`, 'utf8')).split('\0');
  expect(environment).toContain('MALLOC_ARENA_MAX=4');
});

it('the guest can put nothing beside its containers', async () => {
  const share = await driver.start(place());
  const view = await guestView(share);
  await expect(writeFile(`${view.root}/file`, 'x')).rejects.toMatchObject({ code: 'EROFS' });
  await expect(mkdir(`${view.root}/directory`)).rejects.toMatchObject({ code: 'EROFS' });
  view.socket.destroy();
});

it('a root file system that the guest still holds is not removed, and is once the guest lets go', async () => {
  const share = await driver.start(place());
  const view = await guestView(share);
  await container(share, 'c1');
  const held = await open(`${view.root}/c1/rootfs/motd`);
  await expect(parts.rootfs.remove(rootfsPlace(share, 'c1'))).rejects.toMatchObject({ reason: 'ROOTFS_FAILED', details: { facts: { busy: 'true' } } });
  await held.close();
  await parts.rootfs.remove(rootfsPlace(share, 'c1'));
  expect(await readdir(share.directory)).toEqual([]);
  view.socket.destroy();
});

it('started twice it is one, and another daemon finds it again', async () => {
  const first = await driver.start(place());
  const second = await driver.start(place());
  expect(second.pid).toBe(first.pid);
  const found = await driver.adopt(place());
  expect(found).toMatchObject({ pid: first.pid, socketPath: first.socketPath, tag: 'kataShared' });
  for (const share of [first, second]) share.release();
  await found?.stop();
  expect(await found?.ended).toMatchObject({ kind: 'exited' });
  expect(await driver.adopt(place())).toBeUndefined();
});

it('its end is heard when its VM goes away', async () => {
  const share = await driver.start(place());
  const view = await guestView(share);
  view.socket.destroy();
  expect(await share.ended).toMatchObject({ kind: 'exited' });
});

it('is started again over the containers that are there', async () => {
  const first = await driver.start(place());
  await container(first, 'c1');
  await first.stop();
  const share = await driver.start(place());
  const view = await guestView(share);
  expect(await readFile(`${view.root}/c1/rootfs/motd`, 'utf8')).toBe('hello');
  view.socket.destroy();
});

it('is removed whole with its containers still mounted, any number of times', async () => {
  const share = await driver.start(place());
  await container(share, 'c1');
  await container(share, 'c2');
  await driver.remove(place());
  await driver.remove(place());
  expect(await share.ended).toMatchObject({ kind: 'exited' });
  expect(await parts.mountsBelow(parts.root)).toEqual([]);
  expect(await readdir(join(parts.root, 'run'))).toEqual([]);
});

it('a half-made one is removed', async () => {
  await mkdir(join(parts.root, 'run/shared'), { recursive: true });
  await parts.mounter.mount([{ source: join(parts.root, 'run/shared'), target: join(parts.root, 'run/shared'), flags: ['bind'] }]);
  await driver.remove(place());
  expect(await readdir(join(parts.root, 'run'))).toEqual([]);
});

it.each([
  ['is missing', '/nonexistent/virtiofsd'],
  ['is no program', '/etc/hostname'],
])('a virtiofsd that %s is told by name, and nothing stays', async (_case, virtiofsdPath) => {
  await expect(driver.start(place({ virtiofsdPath }))).rejects.toMatchObject({ reason: 'ROOTFS_FAILED', message: expect.stringContaining(virtiofsdPath) as string });
  await driver.remove(place());
  expect(await parts.mountsBelow(parts.root)).toEqual([]);
});

it('a socket path that the kernel would cut is refused', async () => {
  await expect(driver.start(place({ runDir: join(parts.root, 'x'.repeat(100)) }))).rejects.toMatchObject({ reason: 'HOST_RESOURCE' });
});

it('mounts reach it where the root is a shared mount, and show up once on the host', async () => {
  const script = `
    mkdir -p ${parts.root}/u/shared ${parts.root}/u/export
    mount --bind --make-private --make-shared ${parts.root}/u/shared ${parts.root}/u/shared
    mount -o rbind,ro ${parts.root}/u/shared ${parts.root}/u/export
    mkdir ${parts.root}/u/shared/c && mount -t tmpfs none ${parts.root}/u/shared/c
    grep -c ' ${parts.root}/u/shared/c ' /proc/self/mountinfo; grep -c ' ${parts.root}/u/export/c ' /proc/self/mountinfo`;
  const result = await parts.runner.run('unshare', ['--mount', '--propagation', 'shared', 'sh', '-c', script], { timeoutMs: 10_000 });
  expect(result).toMatchObject({ code: 0, stdout: '1\n1\n' });
});
