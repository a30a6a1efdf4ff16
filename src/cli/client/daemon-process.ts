import { readFile } from 'node:fs/promises';
import type { Clock } from '../host.ts';

const lookEveryMs = 50;

/**
 * Waits until a process that is not our child has ended; Linux has no event for that which Node can wait for.
 * A zombie has ended: who should reap it is not our concern.
 * @returns false when it is still there after `timeoutMs`
 */
export async function waitForEnd(pid: number, clock: Clock, timeoutMs: number, signal: AbortSignal): Promise<boolean> {
  const deadline = clock.now().getTime() + timeoutMs;
  while (await isAlive(pid)) {
    if (clock.now().getTime() >= deadline) return false;
    await clock.sleep(lookEveryMs, signal);
  }
  return true;
}

async function isAlive(pid: number): Promise<boolean> {
  // The state follows the command's name, which stands in parentheses and may hold anything: proc(5).
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  const state = stat?.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3);
  return state !== undefined && state !== 'Z' && state !== 'X';
}
