import { closeSync, openSync, readdirSync, readSync } from 'node:fs';
import { readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { throwIfAborted } from '../../base/abort.ts';
import { ownerOfPath, readEnvironmentMark, type InstanceMarks } from '../../core/model/marks.ts';
import type { WaitOptions } from '../../core/ports/host.ts';
import { errnoOf } from '../files.ts';
import { parseProcStat } from '../process-identity.ts';

/** What a marked process is to its launch: what was started, the launcher that waits for it, or the one that writes for that. */
export type MarkedRole = 'child' | 'launcher' | 'scribe';

export interface MarkedProcess {
  readonly pid: number;
  readonly startTime: string;
  readonly command: string;
  readonly role: MarkedRole;
  readonly owner: string | undefined;
  /** The launcher's directory. */
  readonly launch: string | undefined;
}

interface Known {
  readonly startTime: string;
  readonly command: string;
  readonly marked: MarkedProcess | undefined;
}

/** Launchers are given no environment of their own; each works in the directory that it serves. */
const LAUNCHERS: ReadonlyMap<string, MarkedRole> = new Map<string, MarkedRole>([['viv-launcher', 'launcher'], ['viv-scribe', 'scribe']]);
/** Processes that are looked at between two turns of the event loop: under a millisecond. */
const SLICE = 64;
const GONE: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ESRCH', 'EACCES', 'EPERM']);
const DELETED = ' (deleted)';
/** A line of /proc/PID/stat has some 300 bytes, and the command in it at most 64. */
const STAT_BYTES = 2048;

/**
 * The processes of the host that bear this instance's mark. The environment and the working directory of one are read once in its life:
 * reading them waits for its memory map, stat (which shows whether it still is the same, and still runs the same program) never does.
 */
export class ProcessScan {
  readonly #marks: InstanceMarks;
  readonly #procRoot: string;
  readonly #buffer = Buffer.allocUnsafe(STAT_BYTES);
  #known = new Map<number, Known>();

  constructor(marks: InstanceMarks, procRoot = '/proc') {
    this.#marks = marks;
    this.#procRoot = procRoot;
  }

  async scan(options: WaitOptions = {}): Promise<readonly MarkedProcess[]> {
    const before = this.#known;
    const now = new Map<number, Known>();
    const pids = readdirSync(this.#procRoot).map(Number).filter((pid) => pid > 0);
    for (let at = 0; at < pids.length; at += SLICE) {
      throwIfAborted(options.signal);
      const fresh: (readonly [number, Omit<Known, 'marked'>])[] = [];
      for (const pid of pids.slice(at, at + SLICE)) {
        const seen = this.#stat(pid);
        if (seen === undefined) continue;
        const known = before.get(pid);
        if (known?.startTime === seen.startTime && known.command === seen.command) now.set(pid, known);
        else fresh.push([pid, seen]);
      }
      await Promise.all(fresh.map(async ([pid, seen]) => { now.set(pid, { ...seen, marked: await this.#read(pid, seen) }); }));
      await setImmediate();
    }
    this.#known = now;
    return [...now.values()].flatMap(({ marked }) => marked ?? []);
  }

  /** Undefined for a process that is gone, and for a zombie: that holds nothing. */
  #stat(pid: number): Omit<Known, 'marked'> | undefined {
    try {
      const text = this.#readStat(`${this.#procRoot}/${pid}/stat`);
      const stat = parseProcStat(text);
      if (stat === undefined || stat.state === 'Z' || stat.state === 'X') return undefined;
      return { startTime: stat.startTime, command: text.slice(text.indexOf('(') + 1, text.lastIndexOf(')')) };
    } catch (error) {
      if (GONE.has(errnoOf(error))) return undefined;
      throw error;
    }
  }

  /** Half the time of readFileSync, which asks for a size first that files of /proc do not have. */
  #readStat(path: string): string {
    const file = openSync(path, 'r');
    try {
      return this.#buffer.toString('latin1', 0, readSync(file, this.#buffer, 0, STAT_BYTES, 0));
    } finally {
      closeSync(file);
    }
  }

  async #read(pid: number, seen: Omit<Known, 'marked'>): Promise<MarkedProcess | undefined> {
    const directory = join(this.#procRoot, String(pid));
    try {
      const role = LAUNCHERS.get(seen.command);
      if (role !== undefined) {
        const launch = withoutDeleted(await readlink(join(directory, 'cwd')));
        const owner = ownerOfPath(this.#marks, launch)?.owner;
        return owner === undefined ? undefined : { pid, ...seen, role, owner, launch };
      }
      const mark = readEnvironmentMark(this.#marks, await readFile(join(directory, 'environ'), 'utf8'));
      return mark === undefined ? undefined : { pid, ...seen, role: 'child', ...mark };
    } catch (error) {
      if (GONE.has(errnoOf(error))) return undefined;
      throw error;
    }
  }
}

function withoutDeleted(path: string): string {
  return path.endsWith(DELETED) ? path.slice(0, -DELETED.length) : path;
}
