import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';

/** Ticks a second of the times in /proc/PID/stat: a constant of Linux's interface to user space. */
const TICKS = 100;

export interface RunningProcess {
  readonly pid: number;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
}

const running = new Map<number, () => void>();

/**
 * Starts a program that the bench itself ends, at the latest when the bench ends. Its stderr is ours unless told otherwise. It has a session of its own, as a VM under
 * its launcher has: the kernel shares out processors by session.
 */
export function startProcess(path: string, args: readonly string[], options: { readonly stderr?: 'inherit' | 'ignore' } = {}): RunningProcess {
  const child = spawn(path, args, { stdio: ['ignore', 'ignore', options.stderr ?? 'inherit'], detached: true });
  const { pid } = child;
  if (pid === undefined) throw new Error(`${path} could not be started`);
  const ended = once(child, 'exit').then(() => { running.delete(pid); });
  running.set(pid, () => child.kill('SIGKILL'));
  return {
    pid,
    kill: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** For the bench's own end. */
export function killAll(): void {
  for (const kill of running.values()) kill();
}

/** User and system time of a process, with its threads and without its children. */
export function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS;
}

/** Resident memory in MiB. */
export function residentMib(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  if (kib === undefined) throw new Error(`process ${pid} has no memory`);
  return Number(kib) / 1024;
}
