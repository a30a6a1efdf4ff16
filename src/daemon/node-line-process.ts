import { spawn } from 'node:child_process';
import { addAbortListener } from 'node:events';
import { createInterface } from 'node:readline';
import type { LineProcess, StartLineProcess } from './services/guest-operations.ts';

/** Between SIGTERM and SIGKILL. */
const KILL_AFTER_MS = 5000;
const STDERR_TAIL = 2000;

/** A child of this process whose output is handed on as it comes; reading stops, and with it the child, while nobody takes the lines. */
export const startLineProcess: StartLineProcess = (command, args, { cwd, signal }): LineProcess => {
  const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  let stderrTail = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => { stderrTail = (stderrTail + chunk).slice(-STDERR_TAIL); });
  const kill = (): void => {
    child.kill('SIGTERM');
    setTimeout(() => { child.kill('SIGKILL'); }, KILL_AFTER_MS).unref();
  };
  const listener = signal === undefined ? undefined : addAbortListener(signal, kill);
  const exit = new Promise<{ code: number; stderrTail: string }>((resolve) => {
    const settle = (code: number, said: string): void => {
      listener?.[Symbol.dispose]();
      resolve({ code, stderrTail: said.trim() });
    };
    child.once('error', (error) => { settle(-1, error.message); });
    child.once('close', (code) => { settle(code ?? -1, stderrTail); });
  });
  return { lines: createInterface({ input: child.stdout, crlfDelay: Infinity }), exit };
};
