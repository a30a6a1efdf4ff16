import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { launchSpecDocument } from '../../src/host/launcher-spec.ts';
import { SystemClock } from '../../src/host/system-clock.ts';
import { releasedProgram } from '../released.ts';
import { realDriver } from './qemu-parts.ts';

interface ReadyLine {
  readonly pid: number;
  readonly launcher_pid: number;
}

let directory: string;
let vmm: string;
let { launcher } = realDriver('/nonexistent');
let ready: ReadyLine | undefined;

beforeEach(() => {
  directory = mkdtempSync('/tmp/vv-old-');
  vmm = join(directory, 'vmm');
  ({ launcher } = realDriver(join(directory, 'cache')));
});
afterEach(() => {
  if (ready !== undefined && execFileSync('ps', ['-o', 'pid=', '-A']).toString().split(/\s+/).includes(String(ready.pid))) process.kill(ready.pid, 'SIGKILL');
  ready = undefined;
  rmSync(directory, { recursive: true, force: true });
});

/** As the last version's daemon launched: a spec in the directory, and the program run over it. */
function launchedBefore(script: string): ReadyLine {
  mkdirSync(vmm, { mode: 0o700 });
  writeFileSync(join(vmm, 'spec.json'), JSON.stringify(launchSpecDocument({ name: 'vmm', argv: ['/bin/sh', '-c', script], console: true })));
  ready = JSON.parse(execFileSync(releasedProgram('viv-launcher', directory), [vmm]).toString()) as ReadyLine;
  return ready;
}

describe('a process that the launcher of the last release started', () => {
  it('is adopted, takes a signal, and its end is heard with code and last words', async () => {
    const before = launchedBefore('trap "echo bye >&2; exit 9" TERM; echo hello >&2; while :; do sleep 0.05; done');
    const adopted = await launcher.adopt(vmm);
    expect(adopted?.identity.pid).toBe(before.pid);
    expect(adopted?.launcherPid).toBe(before.launcher_pid);
    const clock = new SystemClock();
    while (!(await adopted?.tail('stderr', 100))?.includes('hello')) await clock.sleep(20);
    await adopted?.signal(15);
    await expect(adopted?.ended).resolves.toMatchObject({ kind: 'exited', code: 9, stderrTail: 'hello\nbye\n' });
  });

  it('that ended while no daemon was there is settled by its record', async () => {
    launchedBefore('exit 5');
    const adopted = await launcher.adopt(vmm);
    await expect(adopted?.ended).resolves.toMatchObject({ kind: 'exited', code: 5 });
  });

  it('is answered by a second launch of today, not started twice', async () => {
    const before = launchedBefore('sleep 60');
    const again = await launcher.start(vmm, { name: 'vmm', argv: ['/bin/sh', '-c', 'exit 1'] });
    expect(again.identity.pid).toBe(before.pid);
    await again.signal(9);
    await expect(again.ended).resolves.toMatchObject({ kind: 'signalled', signal: 9 });
  });
});
