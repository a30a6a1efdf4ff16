import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { kill } from 'node:process';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { ByteStream } from '../../src/core/ports/host.ts';
import { startHelperProcess } from '../../src/host/helper-process.ts';
import { HostCalls } from '../../src/host/host-calls.ts';
import { SystemClock } from '../../src/host/system-clock.ts';
import { launcherPath } from './launcher-path.ts';

let root: string;
let helper: HostCalls;
let streams: ByteStream[];

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'vv-'));
  streams = [];
  helper = helperOf(launcherPath());
});

afterEach(async () => {
  helper.close();
  await rm(root, { recursive: true, force: true });
});

function helperOf(path: string): HostCalls {
  const start = (): ByteStream => {
    const stream = startHelperProcess(path);
    streams.push(stream);
    return stream;
  };
  return new HostCalls({ start, clock: new SystemClock() });
}

/** The pids of the children of a process that are or were forked from a helper. */
function helpersOf(parent: number): readonly number[] {
  const children = execFileSync('ps', ['-o', 'pid=,comm=', '--ppid', String(parent)], { encoding: 'utf8' });
  return children.split('\n').filter((line) => line.endsWith('viv-serve')).map((line) => Number(line.trim().split(' ')[0]));
}

it('removes trees without following what they name', async () => {
  await mkdir(join(root, 'tree/inner'), { recursive: true });
  await writeFile(join(root, 'kept'), '');
  await symlink(root, join(root, 'tree/inner/up'));
  await expect(helper.removeTrees([join(root, 'tree'), join(root, 'missing')])).resolves.toBeUndefined();
  expect(await readdir(root)).toEqual(['kept']);
});

it('says which call the kernel refused, and why', async () => {
  await expect(helper.mount([{ source: 'none', target: join(root, 'none'), fsType: 'tmpfs' }])).resolves.toEqual({ errno: 'ENOENT', path: join(root, 'none'), message: 'No such file or directory' });
});

it('a request that hangs holds back no other, and the death of its worker is told', async () => {
  const dir = join(root, 'hung');
  await mkdir(dir);
  // Writing the spec into a pipe waits for a reader.
  execFileSync('mkfifo', [join(dir, 'spec.json')]);
  const hung = helper.launch(dir, { version: 1, name: 'x', argv: ['/bin/true'] });
  await expect(helper.removeTrees([join(root, 'missing')])).resolves.toBeUndefined();
  const [worker] = helpersOf(helpersOf(process.pid)[0] ?? 0);
  kill(worker ?? 0, 'SIGKILL');
  await expect(hung).resolves.toMatchObject({ error: { code: 'worker', message: 'the worker was ended by signal 9' } });
});

it('killed in the middle it is started anew, and what may be done twice is asked again', async () => {
  await helper.removeTrees([]);
  const [pid] = helpersOf(process.pid);
  expect(pid).toBeDefined();
  kill(pid ?? 0, 'SIGKILL');
  await expect(helper.removeTrees([join(root, 'missing')])).resolves.toBeUndefined();
  expect(streams).toHaveLength(2);
});

it('what it launched outlives it', async () => {
  const answer = await helper.launch(join(root, 'sleep'), { version: 1, name: 'x', argv: ['/bin/sleep', '600'] });
  const [pid, launcher] = [Number(answer['pid']), Number(answer['launcher_pid'])];
  try {
    const ended = new Promise<void>((resolve) => { streams[0]?.onClose(() => { resolve(); }); });
    helper.close();
    await ended;
    expect([pid, launcher].map((each) => existsSync(`/proc/${each}`))).toEqual([true, true]);
  } finally {
    kill(pid, 'SIGKILL');
  }
});

it('one that is missing is told by name', async () => {
  const missing = helperOf('/nonexistent/viv-launcher');
  await expect(missing.removeTrees([])).rejects.toMatchObject({ reason: 'HOST_RESOURCE', message: expect.stringContaining('/nonexistent/viv-launcher') as string });
});
