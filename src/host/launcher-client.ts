import { join } from 'node:path';
import { reasonOf, throwIfAborted } from '../base/abort.ts';
import { parseJsonLine } from '../base/json-lines.ts';
import { DomainError } from '../core/model/errors.ts';
import type { ProcessIdentity } from '../core/model/ledger.ts';
import type { Clock, Files, Launcher, LaunchSpec, SocketDialer, SupervisedProcess, WaitOptions } from '../core/ports/host.ts';
import type { Logger } from '../core/ports/telemetry.ts';
import { LauncherControl } from './launcher-control.ts';
import { RECORD_BYTES, parseIdentity, parseLauncherFailure, parseLauncherRecord } from './launcher-record.ts';
import type { LauncherFailure, LauncherRecord } from './launcher-record.ts';
import type { HelperAnswer } from './helper-session.ts';
import type { HostCalls } from './host-calls.ts';
import { launchSpecDocument } from './launcher-spec.ts';
import type { ProcessTable } from './process-identity.ts';
import { Supervised } from './supervised-process.ts';

/** How long a launch that is under way is waited for, and how often it is looked at. */
const SETTLE_MS = 2000;
const SETTLE_STEP_MS = 10;
const SIGKILL = 9;

export interface LauncherClientParts {
  readonly helper: Pick<HostCalls, 'launch'>;
  readonly dialer: SocketDialer;
  readonly files: Files;
  readonly clock: Clock;
  readonly processes: ProcessTable;
  readonly logger: Logger;
  /** What is added to the environment of what is started in a directory: this instance's mark. Nobody who starts something can forget it. */
  readonly environment?: (directory: string) => Readonly<Record<string, string>>;
}

/** Starts processes that outlive the daemon, and finds them again (docs/protocols/launcher.md). */
export class LauncherClient implements Launcher {
  readonly #parts: LauncherClientParts;

  constructor(parts: LauncherClientParts) {
    this.#parts = parts;
  }

  async start(directory: string, spec: LaunchSpec, options: WaitOptions = {}): Promise<SupervisedProcess> {
    throwIfAborted(options.signal);
    // Runs to its end even when the caller gives up: only then is it known whether there is a child to end.
    const answer = await this.#parts.helper.launch(directory, launchSpecDocument(this.#marked(directory, spec))).catch(async (error: unknown) => {
      await this.#endLeftover(directory);
      throw error;
    });
    const ready = parseReady(answer);
    if ('code' in ready) throw startError(ready, spec);
    const started = await this.#connect(directory, ready.identity, ready.launcherPid);
    if (options.signal?.aborted === true) {
      await this.#end(started);
      throw reasonOf(options.signal);
    }
    return started;
  }

  async adopt(directory: string, options: WaitOptions = {}): Promise<SupervisedProcess | undefined> {
    throwIfAborted(options.signal);
    const record = await this.#settledRecord(directory, options);
    // A failed launch may have had a child, but never one that ran the command.
    if (record?.identity === undefined || record.state === 'failed') return undefined;
    return await this.#connect(directory, record.identity, record.launcherPid);
  }

  /** One attempt at the control socket: the launcher listens before it answers. Without it the record and the process table decide. */
  #marked(directory: string, spec: LaunchSpec): LaunchSpec {
    const { environment } = this.#parts;
    return environment === undefined ? spec : { ...spec, env: { ...spec.env, ...environment(directory) } };
  }

  async #connect(directory: string, identity: ProcessIdentity, launcherPid: number): Promise<Supervised> {
    return await Supervised.open({
      directory,
      identity,
      launcherPid,
      connect: async () => await LauncherControl.open(this.#parts.dialer, join(directory, 'control.sock')),
      readRecord: async () => await this.#readRecord(directory),
      files: this.#parts.files,
      clock: this.#parts.clock,
      processes: this.#parts.processes,
      logger: this.#parts.logger,
    });
  }

  /** A launch that an earlier daemon began may still be under way: its launcher is given the time to say what became of it. */
  async #settledRecord(directory: string, options: WaitOptions): Promise<LauncherRecord | undefined> {
    const until = this.#parts.clock.monotonicMs() + SETTLE_MS;
    for (;;) {
      const record = await this.#readRecord(directory);
      if (record?.state !== 'starting' || this.#parts.clock.monotonicMs() >= until) return record;
      if ((await this.#parts.processes.identify(record.launcherPid)) === undefined) return record;
      await this.#parts.clock.sleep(SETTLE_STEP_MS, options);
    }
  }

  async #readRecord(directory: string): Promise<LauncherRecord | undefined> {
    const bytes = await this.#parts.files.read(join(directory, 'record'), RECORD_BYTES);
    if (bytes === undefined) return undefined;
    try {
      return parseLauncherRecord(parseJsonLine(Buffer.from(bytes)));
    } catch (error) {
      if (error instanceof DomainError) throw error;
      // Allocated and not yet filled, or not ours: it names no process.
      this.#parts.logger.debug({ directory, err: error }, 'no readable launcher record');
      return undefined;
    }
  }

  async #endLeftover(directory: string): Promise<void> {
    const left = await this.adopt(directory);
    if (left !== undefined) await this.#end(left);
  }

  async #end(process: SupervisedProcess): Promise<void> {
    await process.signal(SIGKILL);
    await process.ended;
    process.release();
  }
}

/** The launcher's answer line (docs/protocols/launcher.md). */
function parseReady(answer: HelperAnswer): { identity: ProcessIdentity; launcherPid: number } | LauncherFailure {
  const failure = parseLauncherFailure(answer);
  if (failure !== undefined) return failure;
  const identity = parseIdentity(answer);
  const launcherPid = Number(answer['launcher_pid']);
  if (identity === undefined || !Number.isInteger(launcherPid)) return { code: 'no_answer', message: `not a ready line: ${JSON.stringify(answer).slice(0, 400)}` };
  return { identity, launcherPid };
}

/** What the command itself is to blame for; the rest is the host's. */
const COMMAND_FAULTS = new Set(['exec', 'bad_spec', 'sandbox']);

function startError(failure: LauncherFailure, spec: LaunchSpec): DomainError {
  const reason = COMMAND_FAULTS.has(failure.code) ? 'VMM_FAILED' : 'HOST_RESOURCE';
  return new DomainError(reason, `cannot start ${spec.argv[0] ?? spec.name}: ${failure.message}`, { facts: { launcher: failure.code, process: spec.name } });
}
