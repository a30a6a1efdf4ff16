import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ProcessIdentity } from '../core/model/ledger.ts';
import { errnoOf } from './files.ts';

/** What we use of /proc/PID/stat (proc(5)). Times in clock ticks (100 a second on Linux), memory in pages. */
export interface ProcStat {
  readonly pid: number;
  readonly state: string;
  readonly userTicks: number;
  readonly systemTicks: number;
  /** As text: it is compared, never computed with. */
  readonly startTime: string;
  readonly rssPages: number;
}

/** Parses one line of /proc/PID/stat. The command in parentheses may hold spaces and parentheses itself. Undefined when it is none. */
export function parseProcStat(text: string): ProcStat | undefined {
  const open = text.indexOf('(');
  const close = text.lastIndexOf(')');
  if (open === -1 || close < open) return undefined;
  const pid = Number.parseInt(text.slice(0, open), 10);
  // Field 3 (state) is the first after the command, so field N stands at index N - 3.
  const fields = text.slice(close + 2).trimEnd().split(' ');
  const [state, startTime] = [fields[0], fields[19]];
  if (!Number.isInteger(pid) || state === undefined || startTime === undefined) return undefined;
  return { pid, state, startTime, userTicks: Number(fields[11]), systemTicks: Number(fields[12]), rssPages: Number(fields[21]) };
}

/** Who is who among the host's processes. */
export class ProcessTable {
  readonly #procRoot: string;
  #bootId: Promise<string> | undefined;

  constructor(procRoot = '/proc') {
    this.#procRoot = procRoot;
  }

  /** The kernel's mark of this boot of the host: a process of another boot cannot live. */
  async bootId(): Promise<string> {
    this.#bootId ??= readFile(join(this.#procRoot, 'sys/kernel/random/boot_id'), 'utf8').then((text) => text.trim());
    return await this.#bootId;
  }

  /** Undefined when there is no such process. */
  async stat(pid: number): Promise<ProcStat | undefined> {
    try {
      // At once: the kernel answers in microseconds, the thread pool would not.
      return parseProcStat(readFileSync(join(this.#procRoot, String(pid), 'stat'), 'utf8'));
    } catch (error) {
      // ESRCH: it went while its file was being read.
      if (['ENOENT', 'ESRCH'].includes(errnoOf(error) ?? '')) return undefined;
      throw error;
    }
  }

  /** Undefined when there is no such process, or only its zombie. */
  async identify(pid: number): Promise<ProcessIdentity | undefined> {
    const stat = await this.stat(pid);
    return stat === undefined || isDead(stat) ? undefined : { pid, startTime: stat.startTime, bootId: await this.bootId() };
  }

  /** Whether that very process runs: same boot, same start time, and no zombie. */
  async isAlive(identity: ProcessIdentity): Promise<boolean> {
    if (identity.bootId !== (await this.bootId())) return false;
    const stat = await this.stat(identity.pid);
    return stat !== undefined && !isDead(stat) && stat.startTime === identity.startTime;
  }
}

function isDead(stat: ProcStat): boolean {
  return stat.state === 'Z' || stat.state === 'X' || stat.state === 'x';
}
