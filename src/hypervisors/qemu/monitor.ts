import { linkSignals } from '../../base/abort.ts';
import type { LinkedSignal } from '../../base/abort.ts';
import { DomainError, toDomainError } from '../../core/model/errors.ts';
import type { Clock, SocketDialer, WaitOptions } from '../../core/ports/host.ts';
import type { VmEvent, VmStatus } from '../../core/ports/hypervisor.ts';
import type { Logger, Metrics } from '../../core/ports/telemetry.ts';
import { QmpConnection } from '../qmp/connection.ts';
import { QmpTimeoutError } from '../qmp/errors.ts';
import { toVmEvent } from '../qmp/event-map.ts';
import type { QmpArguments, QmpCommand, QmpResult, QmpVersion, RunState } from '../qmp/protocol.ts';

/** The greeting comes from the VMM's main loop, which a starting guest may hold for a while. */
const HANDSHAKE_MS = 10_000;
/** A VMM that dies closes its monitor first; this long its end is awaited before the monitor alone is called lost. */
export const DEATH_GRACE_MS = 300;
const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 5000;
/** Between two questions to a monitor that is connected: a VMM that hangs keeps its connections. */
const ASK_MS = 15_000;

export interface MonitorParts {
  readonly path: string;
  readonly dialer: SocketDialer;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, 'dropped'>;
  readonly emit: (event: VmEvent) => void;
}

/** A VMM's monitor for the VM's life: one QMP connection after another, and between two what happened meanwhile is asked for. */
export class Monitor implements Disposable {
  readonly #parts: MonitorParts;
  readonly #stopping: LinkedSignal = linkSignals();
  #connection: QmpConnection | undefined;
  #status: VmStatus = 'starting';
  #recovering = false;

  constructor(parts: MonitorParts) {
    this.#parts = parts;
  }

  /** The first connection; rejects when the socket does not answer in time. Afterwards the monitor looks after itself until disposed. */
  async connect(options: { readonly deadlineMs: number; readonly signal?: AbortSignal | undefined }): Promise<QmpVersion> {
    const version = await this.#open(options.deadlineMs, options.signal);
    this.#emitMissed('starting');
    void this.#watch();
    return version;
  }

  /** In place of `connect`, when the VM is known to live but its monitor did not answer: goes on trying. */
  reconnectLater(detail: string): void {
    void this.#recover(detail).then(() => this.#watch());
  }

  /** Rejects DEADLINE, VMM_FAILED, or the signal's reason. */
  async execute<C extends QmpCommand>(command: C, args: QmpArguments<C>, options: WaitOptions = {}): Promise<QmpResult<C>> {
    if (this.#connection === undefined) throw new DomainError('VMM_FAILED', `${command}: the monitor is not connected`, { remedy: 'try again in a moment; the daemon reconnects by itself' });
    try {
      return await this.#connection.execute(command, args, options);
    } catch (error) {
      if (options.signal?.aborted === true) throw error;
      const message = error instanceof Error ? error.message : String(error);
      throw new DomainError(error instanceof QmpTimeoutError ? 'DEADLINE' : 'VMM_FAILED', message, { cause: error });
    }
  }

  async status(options: WaitOptions = {}): Promise<VmStatus> {
    const { status, running } = await this.execute('query-status', {}, options);
    this.#status = toVmStatus(status, running);
    return this.#status;
  }

  [Symbol.dispose](): void {
    this.#stopping.abort(new Error('the monitor was let go of'));
    this.#connection?.close();
  }

  async #open(deadlineMs: number, signal: AbortSignal | undefined): Promise<QmpVersion> {
    using linked = linkSignals(signal, this.#stopping.signal);
    const stream = await this.#parts.dialer.dial(this.#parts.path, { deadlineMs, signal: linked.signal });
    const { connection, version } = await QmpConnection.open(stream, this.#parts.clock, { handshakeMs: HANDSHAKE_MS, signal: linked.signal });
    this.#connection = connection;
    connection.onEvent((event) => {
      const meaning = toVmEvent(event);
      if (meaning === undefined) this.#parts.metrics.dropped('qmp-event');
      else this.#emit(meaning);
    });
    void connection.closed.then(async (end) => {
      this.#connection = undefined;
      await this.#recover(end.message);
    });
    await this.status({ signal: linked.signal }).catch((error: unknown) => {
      connection.close();
      throw error;
    });
    return version;
  }

  /** Asks from time to time whether it still answers, and tells when that changes. Ends when the monitor is disposed of. Never rejects. */
  async #watch(): Promise<void> {
    const { signal } = this.#stopping;
    const { clock, emit, logger } = this.#parts;
    let mute = false;
    const next = (): Promise<boolean> => clock.sleep(ASK_MS, { signal }).then(() => true, () => false);
    while (await next()) {
      // A lost connection is told, and connected again, elsewhere.
      if (this.#connection === undefined) continue;
      const problem = await this.status({ signal }).then(() => undefined, toDomainError);
      if (signal.aborted || (problem !== undefined && problem.reason !== 'DEADLINE')) continue;
      if (problem === undefined && mute) emit({ kind: 'monitor-back' });
      if (problem !== undefined && !mute) emit({ kind: 'monitor-lost', detail: problem.message });
      if ((problem !== undefined) !== mute) logger.warn({ detail: problem?.message }, problem === undefined ? 'monitor answers again' : 'monitor does not answer');
      mute = problem !== undefined;
    }
  }

  /** Tells of the loss, then tries ever less often. Ends with success or when the monitor is disposed of. One at a time. */
  async #recover(detail: string): Promise<void> {
    if (this.#recovering) return;
    this.#recovering = true;
    const { signal } = this.#stopping;
    try {
      await this.#parts.clock.sleep(DEATH_GRACE_MS, { signal });
      this.#parts.logger.warn({ detail }, 'monitor lost');
      this.#parts.emit({ kind: 'monitor-lost', detail });
      for (let pauseMs = FIRST_RETRY_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_RETRY_MS)) {
        // It may have been lost again already.
        if ((await this.#reopen()) && this.#connection !== undefined) return;
        await this.#parts.clock.sleep(pauseMs, { signal });
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      this.#recovering = false;
    }
  }

  async #reopen(): Promise<boolean> {
    try {
      const before = this.#status;
      await this.#open(0, undefined);
      this.#parts.logger.info({ status: this.#status }, 'monitor back');
      this.#parts.emit({ kind: 'monitor-back' });
      this.#emitMissed(before);
      return true;
    } catch (error) {
      this.#parts.logger.debug({ err: error }, 'monitor does not answer');
      return false;
    }
  }

  #emitMissed(before: VmStatus): void {
    const missed = missedEvent(before, this.#status);
    if (missed !== undefined) this.#parts.emit(missed);
  }

  #emit(event: VmEvent): void {
    if (event.kind === 'paused') this.#status = 'paused';
    if (event.kind === 'resumed') this.#status = 'running';
    this.#parts.emit(event);
  }
}

/** What must have happened while nobody listened; `starting` stands for a status that is not known. */
export function missedEvent(before: VmStatus, now: VmStatus): VmEvent | undefined {
  if (before === now) return undefined;
  switch (now) {
    case 'guest-panicked':
      return { kind: 'guest-panic', detail: 'seen when the monitor came back' };
    case 'shutdown':
      return { kind: 'guest-shutdown', reason: 'seen when the monitor came back' };
    case 'paused':
      return { kind: 'paused' };
    case 'running':
      return before === 'paused' ? { kind: 'resumed' } : undefined;
    case 'internal-error':
    case 'starting':
      return undefined;
  }
}

/** QEMU's many run states in our few; one that we do not know is judged by whether the processors run. */
export function toVmStatus(state: RunState, running: boolean): VmStatus {
  switch (state) {
    case 'shutdown':
    case 'guest-panicked':
    case 'internal-error':
      return state;
    case 'io-error':
    case 'watchdog':
      return 'internal-error';
    case 'prelaunch':
    case 'preconfig':
    case 'inmigrate':
    case 'restore-vm':
    case 'finish-migrate':
    case 'colo':
      return 'starting';
    case 'running':
    case 'paused':
    case 'suspended':
    case 'debug':
    case 'postmigrate':
    case 'save-vm':
      return running ? 'running' : 'paused';
    default:
      return running ? 'running' : 'paused';
  }
}
