import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, rmdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { InstanceId } from '../../src/core/model/ids.ts';
import { parseInstanceId } from '../../src/core/model/ids.ts';
import { HostCgroups } from '../../src/host/cgroups.ts';
import { CgroupLedger } from '../../src/host/ledger/cgroup-ledger.ts';
import { SystemClock } from '../../src/host/system-clock.ts';
import { MemoryLogger } from '../fakes/memory-logger.ts';
import { skippable } from '../skip.ts';

const ROOT = '/sys/fs/cgroup';
const MIB = 1024 * 1024;

function instance(text: string): InstanceId {
  const id = parseInstanceId(text);
  if (id === undefined) throw new Error(`no instance id: ${text}`);
  return id;
}

/** That a host with real daemons is unlikely to have. */
const OURS = instance('fd03');
const OWNER = '00000000cc';

async function cgroups(root: string, log = new MemoryLogger()): Promise<HostCgroups> {
  return await HostCgroups.find({ root, instance: OURS, clock: new SystemClock(), log });
}

const LIMITS = ['memory.limit_in_bytes', 'memory.max'] as const;

/** The file of a new group that limits its memory. */
function limitOf(places: readonly string[]): string | undefined {
  return places.flatMap((place) => LIMITS.map((name) => join(place, name))).find((path) => existsSync(path));
}

async function usable(): Promise<boolean> {
  const groups = await cgroups(ROOT);
  const places = groups.places(OWNER);
  await groups.make(places);
  const limit = limitOf(places);
  await groups.remove(places);
  return limit !== undefined;
}

const USABLE = await usable();

describe('control groups in a directory', () => {
  let root: string;

  beforeEach(async () => { root = await mkdtemp(join(tmpdir(), 'vv-cg-')); });
  afterEach(async () => { await rm(root, { recursive: true }); });

  async function hierarchy(name: string, file = 'cgroup.procs'): Promise<void> {
    await mkdir(join(root, name), { recursive: true });
    await writeFile(join(root, name, file), '');
  }

  it('are of version 2 where the host has that, whatever lies beside it', async () => {
    await hierarchy('.', 'cgroup.controllers');
    await hierarchy('memory');
    const groups = await cgroups(root);
    expect(groups.places(OWNER)).toEqual([join(root, 'vivarium', OURS, OWNER)]);
    expect(groups.problem).toBe('');
  });

  it('are in the subtree that a service manager gave, with its controllers handed down, and the ledger finds those elsewhere as well', async () => {
    const given = join(root, 'vivarium.slice/vivarium-sandboxes.service');
    await hierarchy('.', 'cgroup.controllers');
    const before = (await cgroups(root)).places('00000000dd');
    await (await cgroups(root)).make(before);
    await hierarchy('vivarium.slice/vivarium-sandboxes.service', 'cgroup.controllers');
    const groups = await cgroups(root);
    const places = groups.places(OWNER);
    expect(places).toEqual([join(given, 'vivarium', OURS, OWNER)]);
    await writeFile(join(given, 'cgroup.subtree_control'), '');
    await groups.make(places);
    // A plain file keeps the last of what was written one by one.
    await expect(readFile(join(given, 'cgroup.subtree_control'), 'utf8')).resolves.toContain('+pids');
    expect((await new CgroupLedger(OURS, root).find()).map(({ name }) => name).sort()).toEqual([...before, ...places].sort());
    await groups.remove([...places, ...before]);
    expect([existsSync(join(given, 'vivarium')), existsSync(join(root, 'vivarium'))]).toEqual([false, false]);
  });

  it('are of version 1 where an empty version 2 lies beside it, and never of the cpu controller', async () => {
    for (const name of ['memory', 'pids', 'cpu']) await hierarchy(name);
    await hierarchy('unified', 'cgroup.controllers');
    const groups = await cgroups(root);
    expect(groups.places(OWNER)).toEqual(['memory', 'pids'].map((name) => join(root, name, 'vivarium', OURS, OWNER)));
  });

  it('are none, said once, where nothing is mounted', async () => {
    const log = new MemoryLogger();
    const groups = await cgroups(root, log);
    expect(groups.places(OWNER)).toEqual([]);
    expect(groups.problem).toContain('no control groups are mounted');
    expect(log.lines.filter(({ level }) => level === 'warn')).toHaveLength(1);
    expect(await groups.make([])).toEqual([]);
    expect(await groups.oomKills([])).toBeUndefined();
  });

  it('that the host refuses are left out, and told once', async () => {
    for (const name of ['memory', 'pids']) await hierarchy(name);
    const log = new MemoryLogger();
    const groups = await cgroups(root, log);
    // A file where a directory belongs: no way in for root either.
    await writeFile(join(root, 'pids', 'vivarium'), '');
    const places = groups.places(OWNER);
    expect(await groups.make(places)).toEqual([places[0]]);
    await groups.remove(places.slice(0, 1));
    expect(await groups.make(places)).toEqual([places[0]]);
    expect(log.lines.filter(({ level }) => level === 'warn')).toHaveLength(1);
  });

  it('are what the ledger finds, and leave nothing of ours when the last one goes', async () => {
    await hierarchy('memory');
    const groups = await cgroups(root);
    const [first, second] = [groups.places(OWNER), groups.places('00000000dd')];
    await Promise.all([groups.make(first), groups.make(second)]);
    const ledger = new CgroupLedger(OURS, root);
    expect((await ledger.find()).map(({ name }) => name).sort()).toEqual([...first, ...second]);
    await groups.remove(first);
    await groups.remove(first);
    expect((await ledger.find()).map(({ name }) => name)).toEqual(second);
    await groups.remove(second);
    expect(existsSync(join(root, 'memory/vivarium'))).toBe(false);
  });

  it('count by either version', async () => {
    await hierarchy('memory');
    const groups = await cgroups(root);
    const places = groups.places(OWNER);
    await groups.make(places);
    expect(await groups.oomKills(places)).toBeUndefined();
    await writeFile(join(places[0]!, 'memory.oom_control'), 'oom_kill_disable 0\nunder_oom 0\noom_kill 2\n');
    expect(await groups.oomKills(places)).toBe(2);
    await writeFile(join(places[0]!, 'memory.events'), 'low 0\noom 4\noom_kill 3\noom_group_kill 0\n');
    expect(await groups.oomKills(places)).toBe(3);
  });
});

skippable('memory-cgroup', !USABLE).describe('control groups of this host', () => {
  let groups: HostCgroups;
  let places: readonly string[] = [];
  const children: ChildProcess[] = [];

  beforeEach(async () => {
    groups = await cgroups(ROOT);
    places = groups.places(OWNER);
    await groups.make(places);
  });

  afterEach(async () => {
    for (const child of children.splice(0)) if (child.exitCode === null && child.signalCode === null) { child.kill('SIGKILL'); await once(child, 'exit'); }
    await groups.remove(places);
  });

  /** A process that joins the groups, then does what the script says. */
  function member(script: string): ChildProcess {
    const child = spawn(process.execPath, ['-e', `const fs=require('fs');for(const p of ${JSON.stringify(places)})fs.writeFileSync(p+'/cgroup.procs',String(process.pid));process.stdout.write('in');${script}`], { stdio: ['ignore', 'pipe', 'ignore'] });
    children.push(child);
    return child;
  }

  it('count a process that the kernel killed for want of memory', async () => {
    expect(await groups.oomKills(places)).toBe(0);
    await writeFile(limitOf(places)!, String(64 * MIB));
    const child = member(`const kept=[];for(;;)kept.push(Buffer.alloc(${MIB},1))`);
    const [, signal] = (await once(child, 'exit')) as [number | null, string | null];
    expect(signal).toBe('SIGKILL');
    expect(await groups.oomKills(places)).toBeGreaterThan(0);

    // Made anew, they know nothing of an earlier life.
    await groups.make(places);
    expect(await groups.oomKills(places)).toBe(0);
  });

  it('do not count a process that was killed otherwise', async () => {
    const child = member('setInterval(()=>{},1000)');
    await once(child.stdout!, 'data');
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(await groups.oomKills(places)).toBe(0);
  });

  it('with a process in them are not removed, and it is told which', async () => {
    const child = member('setInterval(()=>{},1000)');
    await once(child.stdout!, 'data');
    await expect(groups.remove(places)).rejects.toMatchObject({ reason: 'HOST_RESOURCE', message: expect.stringContaining(`processes ${child.pid} are in it`) as string });
    await expect(rmdir(places[0]!)).rejects.toMatchObject({ code: 'EBUSY' });
  });
});
