import { readFile } from 'node:fs/promises';

export interface HostMemory {
  readonly totalBytes: number;
  /** What can be given out without swapping, by the kernel's estimate (MemAvailable, proc(5)). */
  readonly availableBytes: number;
}

/** Parses /proc/meminfo; throws when it lacks what every Linux since 3.14 tells. */
export function parseMeminfo(text: string): HostMemory {
  return { totalBytes: kib(text, 'MemTotal') * 1024, availableBytes: kib(text, 'MemAvailable') * 1024 };
}

export async function readHostMemory(path = '/proc/meminfo'): Promise<HostMemory> {
  return parseMeminfo(await readFile(path, 'utf8'));
}

function kib(text: string, key: string): number {
  const match = new RegExp(`^${key}:\\s+(\\d+) kB$`, 'm').exec(text);
  if (match?.[1] === undefined) throw new Error(`no ${key} in meminfo`);
  return Number(match[1]);
}
