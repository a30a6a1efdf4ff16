import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** A process of this host. */
export interface HostProcess {
  readonly pid: number;
  readonly parent: number;
  /** Clock ticks after the start of the host: with the pid, one process for ever. */
  readonly startTime: string;
  /** As the kernel calls it, up to 15 characters. */
  readonly name: string;
  readonly words: string;
  readonly environment: string;
  readonly directory: string;
  readonly state: string;
}

/** Every process there is, read from /proc by this file alone: what is proven with it must not be what it is proven by. */
export function allProcesses(): readonly HostProcess[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name)).flatMap((name) => {
    const found = readProcess(Number(name));
    return found === undefined ? [] : [found];
  });
}

export function readProcess(pid: number): HostProcess | undefined {
  const stat = readIfThere(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, parent, startTime] = [fields[0], fields[1], fields[19]];
  if (state === undefined || parent === undefined || startTime === undefined) return undefined;
  return {
    pid,
    parent: Number(parent),
    startTime,
    name: stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')')),
    words: readIfThere(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim(),
    environment: readIfThere(`/proc/${pid}/environ`),
    directory: linkIfThere(`/proc/${pid}/cwd`),
    state,
  };
}

/** It has ended and waits for its parent to ask how. */
export function isZombie({ state }: HostProcess): boolean {
  return state === 'Z' || state === 'X';
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // It ended while we looked.
    return '';
  }
}

function linkIfThere(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    // It ended while we looked, or is a thread of the kernel.
    return '';
  }
}
