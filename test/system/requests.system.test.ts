import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { TestDaemon } from './daemon.ts';

const LOOK_EVERY_MS = 20;

/** Resolves once the first VM has a process: its create is under way. */
async function vmStarts({ run }: TestDaemon): Promise<void> {
  const launched = (): boolean => existsSync(join(run, 's')) && readdirSync(join(run, 's')).some((sandbox) => existsSync(join(run, 's', sandbox, 'vmm/record')));
  while (!launched()) await setTimeout(LOOK_EVERY_MS);
}

describe('a command whose daemon is killed in the middle of a create', () => {
  it('finishes once the daemon is back, in one sandbox', async () => {
    const daemon = await TestDaemon.start();
    try {
      const child = daemon.spawnViv(['run', '--name', 'once', 'busybox', 'echo', 'done']);
      let stdout = '';
      child.stdout?.on('data', (chunk: Buffer) => { stdout += chunk.toString(); });
      child.stdin?.end();
      const closed = once(child, 'close');
      await vmStarts(daemon);
      await daemon.crash();
      await daemon.boot();
      expect([await closed, stdout]).toEqual([[0, null], 'done\n']);
      const { sandboxes } = await daemon.json<{ sandboxes: unknown[] }>('sandbox', 'ls');
      expect(sandboxes).toHaveLength(1);
      await daemon.must('rm', '-f', 'once');
    } finally {
      await daemon[Symbol.asyncDispose]();
    }
  });
});
