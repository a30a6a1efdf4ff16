import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { TestDaemon } from './daemon.ts';

/** It is said long before a call of the guest to its share would run into any limit. */
const AT_ONCE_MS = 30_000;

/** The pid that a sandbox's virtiofsd was launched with. */
function virtiofsdOf(daemon: TestDaemon, shortId: string): number {
  return (JSON.parse(readFileSync(join(daemon.run, 's', shortId, 'vfs', 'record'), 'utf8')) as { pid: number }).pid;
}

describe('a virtiofsd that dies', () => {
  it('is noticed at once, named by sandbox, container and exec, and a start brings all of it back', async () => {
    await using daemon = await TestDaemon.start();
    await daemon.must('run', '-d', '--name', 'served', 'busybox', '--', 'sleep', '1000');
    const exec = daemon.spawnViv(['exec', 'served', 'sh', '-c', 'echo up; while :; do ls / >/dev/null; done']);
    let stderr = '';
    exec.stderr?.on('data', (chunk: Buffer) => { stderr += chunk.toString(); });
    await new Promise((resolve) => { exec.stdout?.once('data', resolve); });
    const { sandboxes: [sandbox] } = await daemon.json<{ sandboxes: { id: string; shortId: string }[] }>('sandbox', 'ls');
    const began = performance.now();
    process.kill(virtiofsdOf(daemon, sandbox?.shortId ?? ''), 'SIGKILL');
    const [code] = (await once(exec, 'close')) as [number | null];
    expect([code, stderr]).toEqual([255, expect.stringContaining('virtiofsd lost')]);
    expect(performance.now() - began).toBeLessThan(AT_ONCE_MS);
    const [inspected, container] = await Promise.all([daemon.must('sandbox', 'inspect', sandbox?.id ?? ''), daemon.must('inspect', 'served')]);
    for (const text of [inspected, container]) expect(text).toContain('"cause": "CAUSE_VIRTIOFSD_LOST"');
    await daemon.must('sandbox', 'start', sandbox?.id ?? '');
    await daemon.must('start', 'served');
    await expect(daemon.must('exec', 'served', 'echo', 'again')).resolves.toBe('again');
  });
});
