import { spawn } from 'node:child_process';
import { addAbortListener } from 'node:events';
import { constants } from 'node:os';
import { createInterface } from 'node:readline';
import type { StartConversation } from '../core/ports/conversations.ts';

/** Between SIGTERM and SIGKILL: it may have a file to sync. */
const KILL_AFTER_MS = 10_000;
const STDERR_TAIL = 4_000;

/** A child of this process. Its environment is ours: proxies and certificates of the host are set there. */
export const startConversation: StartConversation = (command, args, { input, signal }) => {
  const child = spawn(command, args, { cwd: '/', stdio: ['pipe', 'pipe', 'pipe'] });
  let stderrTail = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => { stderrTail = (stderrTail + chunk).slice(-STDERR_TAIL); });
  // Of one that has ended, writes fail; its end itself is told by `exit`.
  child.stdin.on('error', () => undefined);
  child.stdin.write(input);
  let killer: NodeJS.Timeout | undefined;
  const giveUp = (): void => {
    child.stdin.end();
    child.kill('SIGTERM');
    killer = setTimeout(() => { child.kill('SIGKILL'); }, KILL_AFTER_MS);
  };
  if (signal?.aborted === true) giveUp();
  const listener = signal === undefined || signal.aborted ? undefined : addAbortListener(signal, giveUp);
  const exit = new Promise<{ code: number; stderrTail: string }>((resolve) => {
    const settle = (code: number, said: string): void => {
      listener?.[Symbol.dispose]();
      clearTimeout(killer);
      resolve({ code, stderrTail: said.trim() });
    };
    // Also told when a kill fails; only one without a pid was never started.
    child.once('error', (error) => { if (child.pid === undefined) settle(-1, error.message); });
    child.once('close', (code, by) => { settle(code ?? 128 + (by === null ? 0 : constants.signals[by]), stderrTail); });
  });
  return { lines: createInterface({ input: child.stdout, crlfDelay: Infinity }), exit, end: () => { child.stdin.end(); } };
};
