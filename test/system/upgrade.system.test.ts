import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { releasedProgram } from '../released.ts';
import { TestDaemon } from './daemon.ts';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');
const GUESTS = process.env['VIVARIUM_GUEST_DIR'] ?? join(ROOT, 'build/guest');

/** A VM from before an upgrade: its guest has the agent of the last release for as long as it runs. */
describe('a VM whose guest has the agent of the last release', () => {
  let files: string;
  let daemon: TestDaemon;
  let vmm: number | undefined;

  beforeAll(async () => {
    files = mkdtempSync(join(tmpdir(), 'vv-'));
    // The guest is built from packages that are there already.
    symlinkSync(join(GUESTS, '.cache'), join(files, '.cache'));
    execFileSync(process.execPath, [join(ROOT, 'dist/guest-build.js'), 'build', 'last', '--out', files, '--agent', releasedProgram('viv-agent', files), '--progress', 'none']);
    daemon = await TestDaemon.start({ flags: ['--guest-dir', files], profiles: { last: 'guest = "last"\n' } });
    await daemon.must('sandbox', 'create', '--profile', 'last', '--name', 'box');
    vmm = daemon.vmmOf('box');
  });

  afterAll(async () => {
    await daemon[Symbol.asyncDispose]();
    rmSync(files, { recursive: true, force: true });
  });

  it('runs a container', async () => {
    await daemon.must('run', '-d', '--sandbox', 'box', '--name', 'web', 'busybox', '--', 'sh', '-c', 'i=0; while :; do i=$((i+1)); echo line $i; sleep 0.2; done');
    await expect(daemon.must('exec', 'web', 'echo', 'hello')).resolves.toBe('hello');
  });

  it('is adopted after kill -9 of the daemon: exec, logs and new containers work', async () => {
    await daemon.crash();
    await daemon.boot();
    expect(daemon.vmmOf('box')).toBe(vmm);
    await expect(daemon.viv(['exec', 'web', 'sh', '-c', 'exit 3'])).resolves.toMatchObject({ code: 3 });
    const lines = (await daemon.must('logs', 'web')).split('\n');
    expect(lines).toEqual(lines.map((_, index) => `line ${index + 1}`));
    await expect(daemon.must('run', '--rm', '--sandbox', 'box', 'busybox', '--', 'echo', 'new')).resolves.toBe('new');
  });

  it('is removed without a trace', async () => {
    await daemon.must('sandbox', 'rm', '-f', 'box');
    expect(daemon.leftovers()).toEqual([]);
  });
});
