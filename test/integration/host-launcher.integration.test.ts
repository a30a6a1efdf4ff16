import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LaunchSpec, SupervisedProcess } from '../../src/core/ports/host.ts';
import { SystemClock } from '../../src/host/system-clock.ts';
import { UnixDialer } from '../../src/host/unix-dialer.ts';
import { ProcessTable } from '../../src/host/process-identity.ts';
import { realDriver } from './qemu-parts.ts';

const processes = new ProcessTable();
const clock = new SystemClock();
let directory: string;
let vmm: string;
let launcher: ReturnType<typeof realDriver>['launcher'];
const started: SupervisedProcess[] = [];

beforeEach(async () => {
  directory = await mkdtemp('/tmp/vv-lch-');
  vmm = join(directory, 'vmm');
  ({ launcher } = realDriver(join(directory, 'cache')));
});
afterEach(async () => {
  for (const process of started.splice(0)) {
    await process.signal(9);
    process.release();
  }
  await rm(directory, { recursive: true, force: true });
});

const sh = (script: string, more: Partial<LaunchSpec> = {}): LaunchSpec => ({ name: 'test', argv: ['/bin/sh', '-c', script], ...more });

async function start(spec: LaunchSpec): Promise<SupervisedProcess> {
  const process = await launcher.start(vmm, spec);
  started.push(process);
  return process;
}

describe('a process under the real launcher', () => {
  it('tells its exit code, its last words and what it used', async () => {
    const process = await start(sh('echo words >&2; exit 5'));
    await expect(process.ended).resolves.toMatchObject({ kind: 'exited', code: 5, signal: 0, stderrTail: 'words\n' });
    expect(process.end?.maxRssKib).toBeGreaterThan(0);
    expect(Math.abs((process.end?.atMs ?? 0) - Date.now())).toBeLessThan(60_000);
  });

  it('tells the signal that ended it, and takes signals by number', async () => {
    const process = await start(sh('trap "exit 9" TERM; echo ready >&2; while :; do sleep 0.05; done'));
    while (!(await process.tail('stderr', 100)).includes('ready')) await clock.sleep(20);
    await process.signal(15);
    await expect(process.ended).resolves.toMatchObject({ kind: 'exited', code: 9 });
    await process.signal(15);
  });

  it('a second start of a directory answers the living process', async () => {
    const first = await start(sh('sleep 60'));
    const second = await start(sh('exit 1'));
    expect(second.identity).toEqual(first.identity);
  });

  it('a command that is not there is refused with the launcher\'s words', async () => {
    await expect(launcher.start(vmm, { name: 'test', argv: ['/nonexistent/vmm'] })).rejects.toMatchObject({ reason: 'VMM_FAILED', details: { facts: { launcher: 'exec' } } });
    await expect(launcher.adopt(vmm)).resolves.toBeUndefined();
  });

  it('is found again, living or ended', async () => {
    const first = await start(sh('sleep 60'));
    first.release();
    const again = await launcher.adopt(vmm);
    expect(again?.identity).toEqual(first.identity);
    await again?.signal(9);
    await expect(again?.ended).resolves.toMatchObject({ kind: 'signalled', signal: 9 });
    const dead = await launcher.adopt(vmm);
    await expect(dead?.ended).resolves.toMatchObject({ kind: 'signalled', signal: 9 });
  });

  it('outlives its launcher; its end is then seen, with the cause unknown', async () => {
    const supervised = await start(sh('sleep 60'));
    process.kill(supervised.launcherPid, 'SIGKILL');
    while ((await processes.identify(supervised.launcherPid)) !== undefined) await clock.sleep(10);
    expect(await processes.isAlive(supervised.identity)).toBe(true);
    const again = await launcher.adopt(vmm);
    expect(again?.end).toBeUndefined();
    again?.release();
    await supervised.signal(9);
    await expect(supervised.ended).resolves.toMatchObject({ kind: 'unknown' });
  });

  it('the console passes both ways through its socket and is kept', async () => {
    const process = await start({ name: 'test', console: true, argv: ['/bin/sh', '-c', 'exec 0<&{fd:console} 1>&{fd:console}; while read line; do echo "got $line"; done'] });

    const stream = await new UnixDialer(clock).dial(join(vmm, 'console.sock'), { deadlineMs: 1000 });
    const answered = new Promise<string>((resolve) => {
      let text = '';
      stream.onData((chunk) => {
        text += Buffer.from(chunk).toString();
        if (text.includes('\n')) resolve(text);
      });
    });
    stream.write([Buffer.from('hello\n')]);
    expect(await answered).toBe('got hello\n');
    // Another process writes the log.
    await expect.poll(() => process.tail('console', 100)).toBe('got hello\n');
    stream.close();
  });

  it('keeps what it writes from others', async () => {
    await start(sh('sleep 60'));
    expect((await stat(vmm)).mode & 0o777).toBe(0o700);
    expect((await stat(join(vmm, 'control.sock'))).mode & 0o777).toBe(0o600);
    expect((await readFile(join(vmm, 'record'))).length).toBe(4096);
  });
});
