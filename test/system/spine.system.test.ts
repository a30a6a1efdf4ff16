import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestDaemon } from './daemon.ts';

/** The clock of a paused guest stands still: unless it is set, it is this much behind afterwards. */
const PAUSE_MS = 4000;
const CLOCK_ERROR_S = 1;

/** One request all the way down and back: a container in a real virtual machine. */
describe('a container in a real VM', () => {
  let daemon: TestDaemon;

  beforeAll(async () => {
    daemon = await TestDaemon.start();
  });

  afterAll(async () => {
    await daemon[Symbol.asyncDispose]();
  });

  it('prints on each stream, exits with its own code and leaves nothing', async () => {
    const result = await daemon.viv(['run', '--rm', 'busybox', '--', 'sh', '-c', 'echo out; echo err >&2; exit 7']);
    expect(result).toEqual({ code: 7, stdout: 'out\n', stderr: 'err\n' });
    await expect(daemon.must('sandbox', 'ls', '-q')).resolves.toBe('');
    expect(daemon.leftovers()).toEqual([]);
  });

  it('reads stdin of several megabytes to the last byte', async () => {
    const input = Buffer.alloc(4 * 1024 * 1024 + 17, 'vivarium stdin ');
    const { createHash } = await import('node:crypto');
    const result = await daemon.viv(['run', '--rm', '-i', 'busybox', '--', 'sha256sum'], { input });
    expect(result.stdout.split(' ')[0]).toBe(createHash('sha256').update(input).digest('hex'));
  });

  describe('that stays', () => {
    beforeAll(async () => {
      await daemon.must('run', '-d', '--name', 'web', 'busybox', '--', 'sh', '-c', 'trap "exit 5" TERM; i=0; while :; do i=$((i+1)); echo line $i; sleep 0.2; done');
    });

    it('takes an exec, with its own exit code and streams', async () => {
      const result = await daemon.viv(['exec', 'web', 'sh', '-c', 'hostname; echo no >&2; exit 3']);
      expect(result).toMatchObject({ code: 3, stderr: 'no\n' });
    });

    it('is listed with its state, and found by name and by the end of its id', async () => {
      const listed = await daemon.json<{ containers: { id: string; state: string; sandboxId: string }[] }>('ps');
      expect(listed.containers).toHaveLength(1);
      expect(listed.containers[0]).toMatchObject({ state: 'CONTAINER_STATE_RUNNING' });
      await expect(daemon.must('inspect', listed.containers[0]?.id.slice(-6) ?? '')).resolves.toContain('"web"');
    });

    it('keeps its output', async () => {
      await expect(daemon.must('logs', '--tail', '2', 'web')).resolves.toMatch(/^line \d+\nline \d+$/);
    });

    it('survives kill -9 of the daemon: same VM, no byte lost or repeated', async () => {
      const before = await daemon.json<{ containers: { startedAt: string; id: string }[] }>('ps');
      await daemon.crash();
      await daemon.boot();
      const after = await daemon.json<{ containers: { startedAt: string; id: string }[] }>('ps');
      expect(after.containers.map(({ id, startedAt }) => ({ id, startedAt }))).toEqual(before.containers.map(({ id, startedAt }) => ({ id, startedAt })));
      await daemon.viv(['exec', 'web', 'sleep', '1']);
      const lines = (await daemon.must('logs', 'web')).split('\n');
      expect(lines).toEqual(lines.map((_, index) => `line ${index + 1}`));
    });

    it('is silent while its VM is paused and refuses an exec then', async () => {
      const { containers } = await daemon.json<{ containers: { sandboxId: string }[] }>('ps');
      const sandbox = containers[0]?.sandboxId ?? '';
      await daemon.must('sandbox', 'pause', sandbox);
      const before = await daemon.must('logs', 'web');
      const refused = await daemon.viv(['exec', 'web', 'true']);
      expect(refused.code).not.toBe(0);
      expect(refused.stderr).toContain('paused');
      // It writes five lines a second while it runs.
      await setTimeout(PAUSE_MS);
      await expect(daemon.must('logs', 'web')).resolves.toBe(before);
      await daemon.must('sandbox', 'resume', sandbox);
      await expect(daemon.viv(['exec', 'web', 'true'])).resolves.toMatchObject({ code: 0 });
    });

    it('has the right time the moment its VM is resumed, after a pause longer than the error allowed', async () => {
      const { containers } = await daemon.json<{ containers: { sandboxId: string }[] }>('ps');
      const sandbox = containers[0]?.sandboxId ?? '';
      await daemon.must('sandbox', 'pause', sandbox);
      await setTimeout(PAUSE_MS);
      await daemon.must('sandbox', 'resume', sandbox);
      const earliest = Math.floor(Date.now() / 1000) - CLOCK_ERROR_S;
      const guest = Number(await daemon.must('exec', 'web', 'date', '+%s'));
      expect(guest).toBeGreaterThanOrEqual(earliest);
      expect(guest).toBeLessThanOrEqual(Math.ceil(Date.now() / 1000) + CLOCK_ERROR_S);
    });

    it('is stopped with its own answer to SIGTERM', async () => {
      await daemon.must('stop', 'web');
      await expect(daemon.must('wait', 'web')).resolves.toBe('5');
    });
  });
});
