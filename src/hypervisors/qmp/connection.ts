import { addAbortListener } from 'node:events';
import { deferred, raceSignal, reasonOf, throwIfAborted } from '../../base/abort.ts';
import { LineSplitter, formatJsonLine, parseJsonLine } from '../../base/json-lines.ts';
import { Mailbox } from '../../base/mailbox.ts';
import type { ByteStream, Clock, WaitOptions } from '../../core/ports/host.ts';
import { QmpClosedError, QmpCommandError, QmpEventOverflowError, QmpProtocolError, QmpTimeoutError } from './errors.ts';
import { readMessage } from './protocol.ts';
import type { QmpArguments, QmpCommand, QmpEvent, QmpMessage, QmpResult, QmpVersion } from './protocol.ts';
import { timeoutOf } from './timeouts.ts';

/** Events that may wait for the listener. A guest can cause some (RTC_CHANGE, for one) as fast as it likes. */
export const EVENT_CAPACITY = 1024;

export interface QmpOptions extends WaitOptions {
  /** How long the VMM may take to greet and to agree on capabilities. */
  readonly handshakeMs: number;
  readonly maxLineBytes?: number;
}

interface Pending {
  readonly command: QmpCommand;
  readonly settle: (outcome: { readonly result: unknown } | { readonly error: Error }) => void;
}

/**
 * One connection to a VMM's monitor. Replies go to their callers by id; events go in order to one listener through a bounded queue, so a slow
 * listener never holds up a reply. When the connection ends, every pending and every later call fails.
 */
export class QmpConnection {
  readonly #stream: ByteStream;
  readonly #clock: Clock;
  readonly #lines: LineSplitter;
  readonly #pending = new Map<string, Pending>();
  readonly #events: Mailbox<QmpEvent>;
  readonly #listener = deferred<(event: QmpEvent) => void>();
  readonly #greeting = deferred<QmpVersion>();
  readonly #closed = deferred<QmpClosedError>();
  #greeted = false;
  #nextId = 1;
  #end: QmpClosedError | undefined;

  /**
   * Awaits the greeting and leaves capabilities negotiation. The stream is closed when this rejects: QmpTimeoutError, QmpClosedError,
   * QmpProtocolError, QmpCommandError, or the signal's reason.
   */
  static async open(stream: ByteStream, clock: Clock, options: QmpOptions): Promise<{ connection: QmpConnection; version: QmpVersion }> {
    const connection = new QmpConnection(stream, clock, options.maxLineBytes);
    const timer = clock.timer(options.handshakeMs, () => { connection.#fail(new QmpTimeoutError('greeting', options.handshakeMs)); });
    try {
      const version = await raceSignal(connection.#greeting.promise, options.signal);
      await connection.execute('qmp_capabilities', {}, { signal: options.signal });
      return { connection, version };
    } catch (error) {
      connection.close();
      throw error;
    } finally {
      timer[Symbol.dispose]();
    }
  }

  private constructor(stream: ByteStream, clock: Clock, maxLineBytes: number | undefined) {
    this.#stream = stream;
    this.#clock = clock;
    this.#lines = new LineSplitter(maxLineBytes);
    this.#events = new Mailbox<QmpEvent>({
      capacity: EVENT_CAPACITY,
      handle: async (event) => { (await this.#listener.promise)(event); },
      onError: (error) => { this.#fail(new QmpProtocolError('the event listener failed', { cause: error })); },
    });
    // Nobody may be waiting for the greeting any more when the connection fails.
    this.#greeting.promise.catch(() => {});
    stream.onClose((error) => { this.#finish(new QmpClosedError('the VMM closed the monitor connection', error)); });
    stream.onData((chunk) => { this.#read(chunk); });
  }

  /** Resolves once, with why the connection ended. */
  get closed(): Promise<QmpClosedError> {
    return this.#closed.promise;
  }

  /** Sets the one listener; events that came before it are kept (up to EVENT_CAPACITY) and come first. */
  onEvent(listener: (event: QmpEvent) => void): void {
    this.#listener.resolve(listener);
  }

  /** Rejects QmpCommandError, QmpTimeoutError, QmpClosedError, or the signal's reason; the stack is the caller's. */
  async execute<C extends QmpCommand>(command: C, args: QmpArguments<C>, options: WaitOptions = {}): Promise<QmpResult<C>> {
    throwIfAborted(options.signal);
    if (this.#end !== undefined) throw closedAgain(this.#end);
    const here: { stack?: string } = {};
    Error.captureStackTrace(here);
    return await new Promise<QmpResult<C>>((resolve, reject) => {
      const id = `v${this.#nextId++}`;
      const timeoutMs = timeoutOf(command);
      const cleanup: Disposable[] = [];
      const take = (): boolean => {
        for (const disposable of cleanup.splice(0)) disposable[Symbol.dispose]();
        return this.#pending.delete(id);
      };
      const settle: Pending['settle'] = (outcome) => {
        if (!take()) return;
        // The shape is the VMM's promise (QAPI); what matters of it is checked where it is used.
        if ('result' in outcome) resolve(outcome.result);
        else reject(seenFrom(here, outcome.error));
      };
      this.#pending.set(id, { command, settle });
      cleanup.push(this.#clock.timer(timeoutMs, () => { settle({ error: new QmpTimeoutError(command, timeoutMs) }); }));
      const { signal } = options;
      if (signal !== undefined) {
        cleanup.push(addAbortListener(signal, () => {
          if (take()) reject(reasonOf(signal));
        }));
      }
      this.#stream.write([Buffer.from(formatJsonLine({ execute: command, arguments: args, id }))]);
    });
  }

  close(): void {
    this.#finish(new QmpClosedError('the monitor connection was closed by us'));
  }

  #read(chunk: Uint8Array): void {
    try {
      for (const line of this.#lines.push(chunk)) {
        if (this.#end !== undefined) return;
        if (line.length > 0) this.#take(readMessage(parseJsonLine(line)));
      }
    } catch (error) {
      this.#fail(error instanceof QmpProtocolError ? error : new QmpProtocolError('the VMM sent what is not QMP', { cause: error }));
    }
  }

  #take(message: QmpMessage): void {
    if (message.kind === 'greeting') {
      this.#greeted = true;
      this.#greeting.resolve(message.version);
      return;
    }
    if (!this.#greeted) throw new QmpProtocolError('no greeting came first');
    switch (message.kind) {
      case 'event':
        if (this.#events.post(message.event) === 'full') this.#fail(new QmpEventOverflowError(EVENT_CAPACITY));
        return;
      case 'result':
        this.#settle(message.id, () => ({ result: message.result }));
        return;
      case 'error':
        // Without an id it answers a line that the VMM could not read at all.
        if (message.id === undefined) throw new QmpProtocolError(`the VMM could not read a command: ${message.description}`);
        this.#settle(message.id, (command) => ({ error: new QmpCommandError(command, message.errorClass, message.description) }));
        return;
      case 'unknown':
        return;
    }
  }

  /** An id that nobody waits for belongs to a call that timed out or was aborted. */
  #settle(id: unknown, outcome: (command: QmpCommand) => Parameters<Pending['settle']>[0]): void {
    const pending = typeof id === 'string' ? this.#pending.get(id) : undefined;
    if (pending !== undefined) pending.settle(outcome(pending.command));
  }

  #fail(cause: Error): void {
    this.#finish(new QmpClosedError(cause.message, cause));
  }

  #finish(end: QmpClosedError): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    this.#greeting.reject(end);
    for (const pending of [...this.#pending.values()]) pending.settle({ error: closedAgain(end) });
    this.#stream.close();
    void this.#events.close();
    this.#closed.resolve(end);
  }
}

/** An error for one call of its own, told from where the command was given: the reader's stack says nothing. */
function seenFrom<E extends Error>(here: { readonly stack?: string }, fresh: E): E {
  fresh.stack = `${fresh.name}: ${fresh.message}\n${(here.stack ?? '').split('\n').slice(1).join('\n')}`;
  return fresh;
}

function closedAgain(end: QmpClosedError): QmpClosedError {
  return new QmpClosedError(end.message, end.cause);
}
