import { spawn, execFileSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hostName, linkName, parseInstanceId, parseSandboxId, shortId, type InstanceId } from '../../src/core/model/ids.ts';
import { launchEnvironment, type InstanceMarks } from '../../src/core/model/marks.ts';
import type { FoundResource, LedgerKind } from '../../src/core/ports/ledger.ts';
import { SystemFiles } from '../../src/host/files.ts';
import { CgroupLedger } from '../../src/host/ledger/cgroup-ledger.ts';
import { DirectoryLedger } from '../../src/host/ledger/directory-ledger.ts';
import { instanceOfRun } from '../../src/host/ledger/launch-instance.ts';
import { LauncherLedger } from '../../src/host/ledger/launcher-ledger.ts';
import { LinkLedger } from '../../src/host/ledger/link-ledger.ts';
import { NetnsLedger } from '../../src/host/ledger/netns-ledger.ts';
import { holdersOf } from '../../src/host/ledger/open-files.ts';
import { ProcessLedger } from '../../src/host/ledger/process-ledger.ts';
import { ProcessScan } from '../../src/host/ledger/process-scan.ts';
import { RunTree } from '../../src/host/ledger/run-tree.ts';
import { SocketLedger } from '../../src/host/ledger/socket-ledger.ts';
import { ProcessTable } from '../../src/host/process-identity.ts';
import { MountLedger } from '../../src/storage/mount-ledger.ts';
import { StateDirectories } from '../../src/storage/state-directories.ts';
import { startConversation } from '../../src/host/conversation.ts';
import { ImageLedger } from '../../src/storage/images/image-ledger.ts';
import { StoredImageParts } from '../../src/storage/images/image-parts.ts';
import { TrashLedger } from '../../src/storage/trash-ledger.ts';
import { VfioBinder } from '../../src/devices/vfio/binder.ts';
import { BindingMarks } from '../../src/devices/vfio/binding-marks.ts';
import { VfioLedger } from '../../src/devices/vfio/vfio-ledger.ts';
import { FakePciHost } from '../fakes/pci-host.ts';
import { MemoryLogger } from '../fakes/memory-logger.ts';
import { StorageParts } from './storage-parts.ts';

const LAUNCHER = join(import.meta.dirname, '../../target/x86_64-unknown-linux-gnu/release/viv-launcher');
const ID = parseSandboxId('0190f4a8b7c27def8a12345678abcdef')!;
const SHORT = shortId(ID);
const CONTAINER = '0190f4a8b7c27def8a12345678000001';

/** Two instances that a host with real daemons is unlikely to have, told apart by every mark. */
const OURS = instanceId('fd01');
const THEIRS = instanceId('fd02');

function instanceId(text: string): InstanceId {
  const id = parseInstanceId(text);
  if (id === undefined) throw new Error(text);
  return id;
}

let parts: StorageParts;
let home: string;
const children: ChildProcess[] = [];

beforeEach(async () => {
  parts = await StorageParts.make(200);
  home = parts.root;
});

afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }
  await parts[Symbol.asyncDispose]();
});

function marksOf(instance: InstanceId): InstanceMarks {
  return { instance, runs: join(home, instance, 'run/s'), sandboxes: join(home, instance, 'lib/sandboxes') };
}

async function start(env: Readonly<Record<string, string>>, cwd = '/'): Promise<ChildProcess> {
  const child = spawn('/bin/sleep', ['600'], { env: { PATH: process.env['PATH'] ?? '', ...env }, cwd, stdio: 'ignore' });
  await once(child, 'spawn');
  children.push(child);
  return child;
}

function processes(instance = OURS): ProcessLedger {
  return new ProcessLedger({ scan: new ProcessScan(marksOf(instance)), processes: new ProcessTable(), clock: parts.clock });
}

function directories(instance = OURS): DirectoryLedger {
  const marks = marksOf(instance);
  const trashDir = join(home, instance, 'lib/trash');
  const state = new StateDirectories(parts.mounter);
  return new DirectoryLedger({ marks, tree: new RunTree(marks), removeTree: (path) => state.remove(path), discard: (path) => parts.trash.discard(path, trashDir) });
}

/** Finds one stray, and nothing of the other instance; removes it, and again, and then finds nothing. */
async function findAndRemove(kind: LedgerKind): Promise<FoundResource> {
  const [found, ...others] = await kind.find();
  expect(others).toEqual([]);
  expect(found).toMatchObject({ kind: kind.kind, owner: SHORT });
  if (found === undefined) throw new Error('nothing found');
  await kind.remove(found);
  await kind.remove(found);
  expect(await kind.find()).toEqual([]);
  return found;
}

describe('processes', () => {
  it('are found by the environment that they were given, and ended', async () => {
    const launch = join(marksOf(OURS).runs, SHORT, 'vmm');
    const [ours, theirs] = [await start(launchEnvironment(marksOf(OURS), launch)), await start(launchEnvironment(marksOf(THEIRS), join(marksOf(THEIRS).runs, SHORT, 'vmm')))];
    const ended = once(ours, 'exit');
    expect(await findAndRemove(processes())).toMatchObject({ name: launch, attributes: { pid: String(ours.pid), command: 'sleep', role: 'child' } });
    expect(await ended).toEqual([null, 'SIGKILL']);
    expect(theirs.exitCode ?? theirs.signalCode).toBeNull();
  });

  it('are not taken for those that have their pid now', async () => {
    const child = await start({ VIVARIUM_INSTANCE: OURS, VIVARIUM_SANDBOX: SHORT });
    const ledger = processes();
    const [found] = await ledger.find();
    await ledger.remove({ ...found!, attributes: { ...found!.attributes, start_time: '1' } });
    expect(child.exitCode ?? child.signalCode).toBeNull();
  });

  it('are read once, and again when they run another program', async () => {
    const scan = new ProcessScan(marksOf(OURS));
    const shell = spawn('/bin/sh', ['-c', `read go; exec env VIVARIUM_INSTANCE=${OURS} VIVARIUM_SANDBOX=${SHORT} sleep 600`], { stdio: ['pipe', 'ignore', 'ignore'] });
    children.push(shell);
    await once(shell, 'spawn');
    expect(await scan.scan()).toEqual([]);
    shell.stdin.end('\n');
    await expect.poll(() => readFile(`/proc/${shell.pid}/comm`, 'utf8')).toBe('sleep\n');
    expect(await scan.scan()).toMatchObject([{ pid: shell.pid, command: 'sleep', owner: SHORT }]);
  });

  it('that launch are found by their name and where they work, and their children with them', async () => {
    const launch = join(marksOf(OURS).runs, SHORT, 'vmm');
    await mkdir(launch, { recursive: true });
    await writeFile(join(launch, 'spec.json'), JSON.stringify({ version: 1, name: 'vmm', argv: ['/bin/sleep', '600'], env: launchEnvironment(marksOf(OURS), launch) }));
    execFileSync(LAUNCHER, [launch]);
    const ledger = processes();
    const found = await ledger.find();
    expect(found.map(({ name, attributes }) => [name, attributes['role']])).toEqual([[launch, 'child'], [`${launch}#launcher`, 'launcher'], [`${launch}#scribe`, 'scribe']]);
    for (const one of found) await ledger.remove(one);
    expect(await ledger.find()).toEqual([]);
    const launchers = new LauncherLedger(new RunTree(marksOf(OURS)), (path) => rm(path, { recursive: true, force: true }));
    expect(await findAndRemove(launchers)).toMatchObject({ name: launch });
  });
});

describe('files', () => {
  it('sockets are found by their path, with and without a file', async () => {
    const marks = marksOf(OURS);
    const path = join(marks.runs, SHORT, 'qmp.sock');
    await mkdir(dirname(path), { recursive: true });
    const server = createServer().listen(path);
    await once(server, 'listening');
    const ledger = new SocketLedger(marks, new RunTree(marks));
    const [found] = await ledger.find();
    expect(found).toMatchObject({ name: path, owner: SHORT, attributes: { file: 'true', bound: 'true' } });
    await rm(path);
    const [unlinked] = await ledger.find();
    expect(unlinked).toMatchObject({ attributes: { file: 'false', bound: 'true' } });
    await expect(ledger.remove(unlinked!)).rejects.toThrow(/a process without our mark keeps it open/);
    server.close();
    await once(server, 'close');
    expect(await ledger.find()).toEqual([]);
    await writeFile(path, '');
    await ledger.remove(found!);
    expect(existsSync(path)).toBe(false);
  });

  it('run directories are removed, but not through a mount', async () => {
    const path = join(marksOf(OURS).runs, SHORT);
    await mkdir(join(path, 'export'), { recursive: true });
    await mkdir(join(marksOf(THEIRS).runs, SHORT), { recursive: true });
    await parts.mounter.mount([{ source: 'tmpfs', target: join(path, 'export'), fsType: 'tmpfs' }]);
    await writeFile(join(path, 'export/kept'), '');
    const ledger = directories();
    const [found] = await ledger.find();
    await expect(ledger.remove(found!)).rejects.toThrow(/still mounted/);
    expect(existsSync(join(path, 'export/kept'))).toBe(true);
    await parts.mounter.unmountAll(path);
    await findAndRemove(ledger);
    expect(existsSync(join(marksOf(THEIRS).runs, SHORT))).toBe(true);
  });

  it('lasting state is found with its containers, and goes to the trash', async () => {
    const state = join(marksOf(OURS).sandboxes, ID);
    await mkdir(join(state, 'containers', CONTAINER), { recursive: true });
    await mkdir(join(marksOf(OURS).sandboxes, '.removed-x'), { recursive: true });
    const ledger = directories();
    expect((await ledger.find()).map(({ name, containerId, attributes }) => [name, containerId, attributes['record']])).toEqual([
      [state, undefined, 'false'], [join(state, 'containers', CONTAINER), CONTAINER, undefined],
    ]);
    await writeFile(join(state, 'record.json'), 'from the future');
    const [found] = await ledger.find();
    expect(found?.attributes['record']).toBe('true');
    await ledger.remove(found!);
    expect(existsSync(state)).toBe(false);
    const trash = new TrashLedger(join(home, OURS, 'lib/trash'), parts.files, parts.trash);
    const [pending] = await trash.find();
    expect(pending).toMatchObject({ kind: 'trash', owner: undefined });
    await trash.remove();
    await parts.trash.settled();
    expect(await trash.find()).toEqual([]);
  });

  it('of the image store are what lies in it, and those that nobody needs are swept', async () => {
    const store = join(home, OURS, 'lib/images');
    const layer = join(store, 'layers/sha256', 'a'.repeat(64));
    await mkdir(join(layer, 'fs'), { recursive: true });
    await writeFile(join(layer, 'size'), '42\n');
    const disk = new StoredImageParts({ files: parts.files, trash: parts.trash, start: startConversation, store, trashDir: join(home, OURS, 'lib/trash') });
    const inventory = async () => (await disk.list()).map((part) => ({ part, standing: 'needless' }));
    const ledger = new ImageLedger({ inventory, sweep: async () => await disk.exclusively(async () => { await disk.discard(await disk.list()); }) });
    const [found] = await ledger.find();
    expect(found).toMatchObject({ kind: 'image', name: layer, owner: undefined, attributes: { part: 'layer', standing: 'needless', bytes: '42' } });
    await ledger.remove(found!);
    expect(await ledger.find()).toEqual([]);
    const keeping = new ImageLedger({ inventory, sweep: async () => undefined });
    await mkdir(join(store, 'work/x'), { recursive: true });
    await expect(keeping.remove((await keeping.find())[0]!)).rejects.toMatchObject({ reason: 'HOST_RESOURCE' });
    await parts.trash.settled();
  });

  it('tell which instance launched what is in a run directory', async () => {
    const launch = join(marksOf(OURS).runs, SHORT, 'vmm');
    await mkdir(launch, { recursive: true });
    expect(await instanceOfRun(marksOf(OURS), SHORT, new SystemFiles())).toBeUndefined();
    await writeFile(join(launch, 'spec.json'), JSON.stringify({ env: { VIVARIUM_INSTANCE: THEIRS } }));
    expect(await instanceOfRun(marksOf(OURS), SHORT, new SystemFiles())).toBe(THEIRS);
  });
});

describe('mounts', () => {
  it('are found by where they are, what lies on top first, and unmounted', async () => {
    const point = join(marksOf(OURS).runs, SHORT, 'shared');
    const foreign = join(marksOf(THEIRS).runs, SHORT, 'shared');
    for (const path of [point, foreign]) {
      await mkdir(path, { recursive: true });
      await parts.mounter.mount([{ source: 'tmpfs', target: path, fsType: 'tmpfs' }]);
    }
    await mkdir(join(point, CONTAINER, 'rootfs'), { recursive: true });
    await parts.mounter.mount([{ source: 'tmpfs', target: join(point, CONTAINER, 'rootfs'), fsType: 'tmpfs' }]);
    const ledger = new MountLedger(marksOf(OURS), parts.mounter, holdersOf);
    const found = await ledger.find();
    expect(found.map(({ name, owner, containerId }) => [name, owner, containerId])).toEqual([[join(point, CONTAINER, 'rootfs'), SHORT, CONTAINER], [point, SHORT, undefined]]);
    for (const one of found) await ledger.remove(one);
    expect(await ledger.find()).toEqual([]);
    expect(await parts.mountsBelow(join(home, THEIRS))).toEqual([foreign]);
  });

  it('that are busy stay, and it is told who holds them', async () => {
    const point = join(marksOf(OURS).runs, SHORT);
    await mkdir(point, { recursive: true });
    await parts.mounter.mount([{ source: 'tmpfs', target: point, fsType: 'tmpfs' }]);
    const holder = await start({}, point);
    const ledger = new MountLedger(marksOf(OURS), parts.mounter, holdersOf);
    const [found] = await ledger.find();
    await expect(ledger.remove(found!)).rejects.toThrow(`sleep (pid ${holder.pid}): cwd`);
    expect(await ledger.find()).toHaveLength(1);
  });
});

describe('what has a name of the host', () => {
  it('links', async () => {
    const ledger = new LinkLedger(OURS, parts.runner);
    execFileSync('ip', ['link', 'add', linkName(OURS, ID), 'type', 'ifb']);
    execFileSync('ip', ['link', 'add', linkName(THEIRS, ID), 'type', 'ifb']);
    try {
      await findAndRemove(ledger);
      expect(existsSync(`/sys/class/net/${linkName(THEIRS, ID)}`)).toBe(true);
    } finally {
      execFileSync('ip', ['link', 'delete', linkName(THEIRS, ID)]);
    }
  });

  it('network namespaces, mounted or only a file', async () => {
    const names = join(home, 'netns');
    await mkdir(names);
    const ledger = new NetnsLedger(OURS, parts.mounter, names);
    await writeFile(join(names, hostName(OURS, ID)), '');
    await writeFile(join(names, hostName(THEIRS, ID)), '');
    execFileSync('unshare', ['--net', 'mount', '--bind', '/proc/self/ns/net', join(names, hostName(OURS, ID))]);
    expect(await parts.mountsBelow(names)).toHaveLength(1);
    await findAndRemove(ledger);
    expect(existsSync(join(names, hostName(OURS, ID)))).toBe(false);
    expect(existsSync(join(names, hostName(THEIRS, ID)))).toBe(true);
    await writeFile(join(names, hostName(OURS, ID)), '');
    await findAndRemove(ledger);
  });

  it('control groups, of both versions', async () => {
    // Directories in the place of a hierarchy: rmdir means the same.
    const mount = await mkdtemp(join(tmpdir(), 'vv-cg-'));
    try {
      const ledger = new CgroupLedger(OURS, mount);
      expect(await ledger.find()).toEqual([]);
      await mkdir(join(mount, 'memory/vivarium', OURS, SHORT), { recursive: true });
      await mkdir(join(mount, 'memory/vivarium', THEIRS, SHORT), { recursive: true });
      await findAndRemove(ledger);
      await mkdir(join(mount, 'vivarium', OURS, SHORT), { recursive: true });
      await writeFile(join(mount, 'vivarium', OURS, SHORT, 'cgroup.procs'), '12\n13\n');
      const [busy] = await ledger.find();
      await expect(ledger.remove(busy!)).rejects.toThrow('processes 12, 13 are in it');
      expect(existsSync(join(mount, 'memory/vivarium', THEIRS, SHORT))).toBe(true);
    } finally {
      await rm(mount, { recursive: true });
    }
  });
});

describe('PCI functions of the host', () => {
  it('are found by the file that was written before each was touched, and given back to their drivers', async () => {
    const root = await mkdtemp(join(tmpdir(), 'vv-vfio-ledger-'));
    try {
      const host = new FakePciHost(root);
      await host.add({ address: '0000:01:00.0', group: 16, driver: 'igb' });
      await host.driver('vfio-pci');
      const marks = new BindingMarks(join(root, 'marks'), new SystemFiles(), (directory) => readdir(directory).catch(() => []));
      const binder = new VfioBinder({ files: host, marks, bootId: 'boot', loadDriver: async () => undefined, log: new MemoryLogger() });
      const ledger = new VfioLedger(marks, binder);
      await binder.take(['0000:01:00.0'], { sandboxId: ID, deviceId: 'nic' });
      expect(await findAndRemove(ledger)).toMatchObject({ name: '0000:01:00.0', attributes: { device: 'nic', driver: 'igb' } });
      expect(await host.drivers()).toEqual(['0000:01:00.0 igb']);
    } finally {
      await rm(root, { recursive: true });
    }
  });
});
