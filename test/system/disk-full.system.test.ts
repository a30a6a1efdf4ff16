import { execFileSync } from 'node:child_process';
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { TestDaemon } from './daemon.ts';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');
const PROFILE = [`hypervisor_path = "${join(ROOT, 'target/x86_64-unknown-linux-gnu/release/fake-vmm')}"`, 'accelerator = "tcg"', 'shared_fs = "none"', 'memory = "64MiB"'].join('\n');
const STATE_BYTES = 4 * 1024 * 1024;

/** Writes until there is no room for one more byte. */
function fill(path: string): void {
  const file = openSync(path, 'w');
  try {
    for (let size = 64 * 1024; size >= 1; size = Math.floor(size / 2)) writeWhileRoom(file, Buffer.alloc(size));
  } finally {
    closeSync(file);
  }
}

function writeWhileRoom(file: number, chunk: Buffer): void {
  try {
    for (let written = 0; written < STATE_BYTES; written += chunk.length) writeSync(file, chunk);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
  }
}

describe('a state directory whose disk is full', () => {
  let daemon: TestDaemon;
  let filler: string;

  beforeAll(async () => {
    daemon = await TestDaemon.start({ profiles: { good: PROFILE } });
    await daemon.stop();
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${STATE_BYTES},mode=0700`, 'vv-state', daemon.root]);
    await daemon.boot();
    filler = join(daemon.root, 'filler');
    await daemon.must('run', '-d', '--name', 'lives', '--profile', 'good', 'busybox', '--', 'sleep', '1000');
    fill(filler);
  });

  afterAll(async () => {
    rmSync(filler, { force: true });
    for (const id of (await daemon.viv(['sandbox', 'ls', '-q'])).stdout.split('\n').filter((line) => line !== '')) await daemon.viv(['sandbox', 'rm', '-f', id]);
    await daemon.stop();
    execFileSync('umount', [daemon.root]);
    await daemon[Symbol.asyncDispose]();
  });

  it('refuses a create with what to do, and nothing of it is left', async () => {
    const before = daemon.leftovers();
    const result = await daemon.viv(['sandbox', 'create', '--profile', 'good', '--name', 'refused']);
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(/no space left/i);
    expect(result.stderr).toMatch(/free space/);
    expect(daemon.leftovers().length).toBe(before.length);
    await expect(daemon.must('sandbox', 'ls')).resolves.not.toContain('refused');
  });

  it('ends no VM: what runs is served', async () => {
    await expect(daemon.viv(['exec', 'lives', 'echo', 'here'])).resolves.toMatchObject({ code: 0, stdout: 'here\n' });
  });

  it('tells the end of a VM that it can not record, and says that it could not', async () => {
    const id = await daemon.must('sandbox', 'ls', '-q');
    process.kill(daemon.vmmOf('lives') ?? 0, 'SIGKILL');
    await expect(daemon.must('wait', 'lives')).resolves.toBe('255');
    const inspected = await daemon.must('sandbox', 'inspect', id);
    expect(inspected).toContain('"checkpoint_failed"');
    expect(inspected).toContain('"cause": "CAUSE_VMM_CRASH"');
    await expect(daemon.viv(['doctor'])).resolves.toMatchObject({ stdout: expect.stringMatching(/FAIL +records +not on the disk as they are/) as string });
  });

  it('takes the record once there is room, which its condition does not outlive', async () => {
    rmSync(filler);
    const id = await daemon.must('sandbox', 'ls', '-q');
    await vi.waitFor(async () => { expect(await daemon.must('sandbox', 'inspect', id)).not.toContain('checkpoint_failed'); }, { timeout: 10_000, interval: 200 });
    await daemon.crash();
    await daemon.boot();
    await expect(daemon.must('sandbox', 'inspect', id)).resolves.toContain('"cause": "CAUSE_VMM_CRASH"');
    await expect(daemon.must('ps', '-a')).resolves.toMatch(/lives.*exited/);
  });

  it('takes the next create once there is room', async () => {
    const id = await daemon.must('sandbox', 'create', '--profile', 'good');
    await daemon.must('sandbox', 'rm', '-f', id);
  });
});
