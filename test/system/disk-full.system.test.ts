import { execFileSync } from 'node:child_process';
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
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

  it('takes the next create once there is room', async () => {
    rmSync(filler);
    const id = await daemon.must('sandbox', 'create', '--profile', 'good');
    await daemon.must('sandbox', 'rm', '-f', id);
  });
});
