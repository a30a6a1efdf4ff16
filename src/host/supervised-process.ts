import { kill } from 'node:process';
import { join } from 'node:path';
import { deferred } from '../base/abort.ts';
import type { ProcessIdentity } from '../core/model/ledger.ts';
import type { Clock, Files, ProcessEnd, SupervisedProcess } from '../core/ports/host.ts';
import type { Logger } from '../core/ports/telemetry.ts';
import { errnoOf } from './files.ts';
import type { LauncherControl } from './launcher-control.ts';
import type { LauncherRecord } from './launcher-record.ts';
import type { ProcessTable } from './process-identity.ts';

/** How often a process without its launcher is looked for: it is not our child, so nothing tells of its end. */
const WATCH_INTERVAL_MS = 250;
const STDERR_TAIL_BYTES = 4096;

export interface SupervisedParts {
  readonly directory: string;
  readonly identity: ProcessIdentity;
  readonly launcherPid: number;
  /** One attempt. */
  readonly connect: () => Promise<LauncherControl>;
  readonly readRecord: () => Promise<LauncherRecord | undefined>;
  readonly files: Files;
  readonly clock: Clock;
  readonly processes: ProcessTable;
  readonly logger: Logger;
}

/**
 * A process under a launcher, through whatever still tells of it:
 *
 *   control socket ── exited line ──> end known
 *        │ lost, or none
 *        ├── record says exited ────> end known
 *        ├── process not there ─────> end unknown
 *        └── process there ─────────> all this again in a moment
 */
export class Supervised implements SupervisedProcess {
  readonly identity: ProcessIdentity;
  readonly launcherPid: number;
  readonly directory: string;
  readonly #parts: SupervisedParts;
  readonly #ended = deferred<ProcessEnd>();
  #end: ProcessEnd | undefined;
  #control: LauncherControl | undefined;
  #released = false;
  #watch: Disposable | undefined;

  /** Resolves with the connection made, or its absence settled. */
  static async open(parts: SupervisedParts): Promise<Supervised> {
    const supervised = new Supervised(parts);
    await supervised.#follow();
    return supervised;
  }

  private constructor(parts: SupervisedParts) {
    this.#parts = parts;
    this.identity = parts.identity;
    this.launcherPid = parts.launcherPid;
    this.directory = parts.directory;
  }

  get ended(): Promise<ProcessEnd> {
    return this.#ended.promise;
  }

  get end(): ProcessEnd | undefined {
    return this.#end;
  }

  async signal(signal: number): Promise<void> {
    if (this.#end !== undefined) return;
    if (this.#control !== undefined) {
      try {
        await this.#control.signal(signal);
        return;
      } catch (error) {
        this.#parts.logger.debug({ directory: this.directory, err: error }, 'launcher did not take the signal');
      }
    }
    await this.#signalDirectly(signal);
  }

  async tail(which: 'stderr' | 'console', bytes: number): Promise<string> {
    return await readRing(this.#parts.files, join(this.directory, `${which}.log`), bytes);
  }

  release(): void {
    this.#released = true;
    this.#watch?.[Symbol.dispose]();
    this.#control?.close();
  }

  /** Without a launcher there is no pidfd; the identity is compared right before, which leaves a gap of microseconds. */
  async #signalDirectly(signal: number): Promise<void> {
    if (!(await this.#parts.processes.isAlive(this.identity))) return;
    try {
      kill(this.identity.pid, signal);
    } catch (error) {
      if (errnoOf(error) !== 'ESRCH') throw error;
    }
  }

  /** Finds what tells of the end, see the drawing above. Its own failure ends nothing: it is logged and tried again. */
  async #follow(): Promise<void> {
    try {
      const control = await this.#connect();
      if (this.#released) {
        control?.close();
        return;
      }
      this.#control = control;
      if (control === undefined) await this.#look();
      else void control.ended.then(async (record) => { await this.#controlEnded(record); });
    } catch (error) {
      this.#parts.logger.error({ directory: this.directory, pid: this.identity.pid, err: error }, 'cannot look after a process');
      this.#followLater();
    }
  }

  async #connect(): Promise<LauncherControl | undefined> {
    try {
      return await this.#parts.connect();
    } catch (error) {
      this.#parts.logger.debug({ directory: this.directory, err: error }, 'no launcher listens');
      return undefined;
    }
  }

  async #controlEnded(record: LauncherRecord | undefined): Promise<void> {
    this.#control = undefined;
    if (this.#released) return;
    if (record === undefined) this.#followLater();
    else await this.#finish(record);
  }

  async #look(): Promise<void> {
    const record = await this.#parts.readRecord();
    if (record?.state === 'exited') await this.#finish(record);
    else if (await this.#parts.processes.isAlive(this.identity)) this.#followLater();
    // Read again: the launcher may have written the end between the two looks.
    else await this.#finish(await this.#parts.readRecord());
  }

  #followLater(): void {
    if (this.#released || this.#end !== undefined) return;
    this.#watch = this.#parts.clock.timer(WATCH_INTERVAL_MS, () => void this.#follow());
  }

  async #finish(record: LauncherRecord | undefined): Promise<void> {
    const stderrTail = await this.tail('stderr', STDERR_TAIL_BYTES).catch((error: unknown) => `(its stderr cannot be read: ${String(error)})`);
    this.#settle(record?.state === 'exited' ? endOf(record, stderrTail) : this.#unknownEnd(stderrTail));
  }

  #unknownEnd(stderrTail: string): ProcessEnd {
    return { kind: 'unknown', code: 0, signal: 0, atMs: this.#parts.clock.wallMs(), stderrTail, cpuMs: 0, maxRssKib: 0 };
  }

  #settle(end: ProcessEnd): void {
    this.#end = end;
    this.#ended.resolve(end);
  }
}

function endOf(record: LauncherRecord, stderrTail: string): ProcessEnd {
  const signalled = record.signal !== undefined;
  return {
    kind: signalled ? 'signalled' : 'exited',
    code: record.exitCode ?? 0,
    signal: record.signal ?? 0,
    atMs: record.exitedAtMs,
    stderrTail,
    cpuMs: record.cpuMs,
    maxRssKib: record.maxRssKib,
  };
}

/** The end of a ring of two files: the older one's name ends in `.1`. */
async function readRing(files: Files, path: string, bytes: number): Promise<string> {
  const newer = await files.tail(path, bytes);
  const older = newer.length < bytes ? await files.tail(`${path}.1`, bytes - newer.length) : new Uint8Array();
  return Buffer.concat([older, newer]).toString('utf8');
}
