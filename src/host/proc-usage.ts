import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseProcStat } from './process-identity.ts';
import { errnoOf } from './files.ts';

/** USER_HZ, which Linux has fixed at 100 for what it tells in /proc. */
const TICKS_PER_SECOND = 100;

export interface ProcessUsage {
  readonly cpuSeconds: number;
  readonly rssBytes: number;
  /** Its fair share of shared pages and all of its own: the figure that sums up over processes. */
  readonly pssBytes: number;
}

/** Parses the two figures of /proc/PID/smaps_rollup. */
export function parseSmapsRollup(text: string): { rssBytes: number; pssBytes: number } {
  const bytes = (key: string): number => Number(new RegExp(`^${key}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1] ?? 0) * 1024;
  return { rssBytes: bytes('Rss'), pssBytes: bytes('Pss') };
}

/** What a process uses now; undefined when it is gone or not ours to look at. */
export async function readProcessUsage(pid: number, procRoot = '/proc'): Promise<ProcessUsage | undefined> {
  const directory = join(procRoot, String(pid));
  try {
    const [statText, rollup] = await Promise.all([readFile(join(directory, 'stat'), 'utf8'), readFile(join(directory, 'smaps_rollup'), 'utf8')]);
    const stat = parseProcStat(statText);
    if (stat === undefined) return undefined;
    return { cpuSeconds: (stat.userTicks + stat.systemTicks) / TICKS_PER_SECOND, ...parseSmapsRollup(rollup) };
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(errnoOf(error) ?? '')) return undefined;
    throw error;
  }
}
