import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { skippable } from '../skip.ts';
import { TestDaemon } from './daemon.ts';

const MIB = 1024 * 1024;
const ROOT = '/sys/fs/cgroup';
/** Version 1, then 2: where groups are, what limits their memory, and what tells how much they have. */
const VERSIONS = [
  { home: join(ROOT, 'memory/vivarium'), limit: 'memory.limit_in_bytes', usage: 'memory.usage_in_bytes' },
  { home: join(ROOT, 'vivarium'), limit: 'memory.max', usage: 'memory.current' },
] as const;
const HAS_MEMORY = existsSync(join(ROOT, 'memory/cgroup.procs')) || (existsSync(join(ROOT, 'cgroup.subtree_control')) && readFileSync(join(ROOT, 'cgroup.subtree_control'), 'utf8').includes('memory'));

/** Leaves a sandbox's processes little more memory than they have. */
function tighten(instance: string): void {
  for (const { home, limit, usage } of VERSIONS) {
    const directory = join(home, instance);
    if (!existsSync(directory)) continue;
    for (const { name } of readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory())) {
      const used = Number(readFileSync(join(directory, name, usage), 'utf8'));
      writeFileSync(join(directory, name, limit), String(used + 8 * MIB));
    }
  }
}

skippable('memory-cgroup', !HAS_MEMORY).describe('a VM that the host kills for want of memory', () => {
  let daemon: TestDaemon;

  beforeAll(async () => {
    daemon = await TestDaemon.start();
    await daemon.must('run', '-d', '--name', 'hungry', '--set', 'memory=512MiB', '--shm-size', '400MiB', 'busybox', '--', 'sleep', '1000');
  });

  afterAll(async () => {
    await daemon[Symbol.asyncDispose]();
  });

  it('is told as that, with its container and its exec', async () => {
    tighten(readFileSync(join(daemon.root, 'instance'), 'utf8').trim().slice(0, 4));
    // What the guest writes into memory is memory of its VMM.
    const exec = await daemon.viv(['exec', 'hungry', 'dd', 'if=/dev/zero', 'of=/dev/shm/x', 'bs=1M', 'count=300']);
    expect(exec.code).toBe(255);
    expect(exec.stderr).toContain('host oom kill');
    await expect(daemon.must('wait', 'hungry')).resolves.toContain('255');
    await expect(daemon.must('inspect', 'hungry')).resolves.toContain('"cause": "CAUSE_HOST_OOM_KILL"');
    await expect(daemon.must('sandbox', 'inspect', (await daemon.must('sandbox', 'ls', '-q')).trim())).resolves.toContain('"cause": "CAUSE_HOST_OOM_KILL"');
    const events = await daemon.must('events', '--since', '0', '--no-follow', '-o', 'json');
    const ends = events.split('\n').filter((line) => /EVENT_TYPE_(SANDBOX_STOPPED|CONTAINER_EXITED|EXEC_EXITED)/.test(line));
    expect(ends).toHaveLength(3);
    expect(ends.filter((line) => !line.includes('CAUSE_HOST_OOM_KILL'))).toEqual([]);
  });

  it('leaves no group behind', async () => {
    await expect(daemon.viv(['doctor', 'audit'])).resolves.toMatchObject({ code: 0 });
  });
});
