import { addAbortListener } from 'node:events';
import { reasonOf } from '../../base/abort.ts';
import { AsyncQueue } from '../../base/async-queue.ts';
import { DomainError } from '../../core/model/errors.ts';
import type { ErrorReason } from '../../core/model/errors.ts';
import type { Clock } from '../../core/ports/host.ts';
import type { Logger } from '../../core/ports/telemetry.ts';
import type { StreamData } from '../../gen/vivarium/v1/container.ts';
import type { ProcessStream } from '../services/facade.ts';
import { parsed } from './field-errors.ts';
import { LIMITS } from './limits.ts';
import { dataBytes, startedToWire, streamEventToWire } from './stream-messages.ts';
import type { ClientMessage, ServerMessage } from './stream-messages.ts';
import { checkTtySize } from './validate-fields.ts';
import { checkSignal } from './validate-process.ts';

/** Output that waits here for the client; more waits in the guest. */
const OUTPUT_QUEUE_BYTES = 512 * 1024;

/**
 * How long a closed side must stay without a cancellation until it counts as the end of input. Clients on Node close their side in a frame of its
 * own right before they cancel (closeStream in its http2): a user who only leaves must not end the shell that he left.
 */
const HALF_CLOSE_SETTLES_MS = 100;

/** The process ended between a client's message and its arrival: no failure, its exit is on the way. */
const ALREADY_ENDED: ReadonlySet<ErrorReason> = new Set(['WRONG_STATE', 'EXEC_NOT_FOUND', 'CONTAINER_NOT_FOUND']);

interface StdinChunk {
  readonly offset: bigint;
  readonly data: Uint8Array;
}

/**
 * Joins one client's call with one process: what Exec and Attach share.
 *
 * - Output waits in one bounded queue; a client that does not read fills it, then the agent's window, then the process's pipe.
 * - The client's messages are read at once while its stdin is being written, because its acknowledgements come behind its stdin: a process that
 *   writes as much as it reads would stand still else. Stdin waits in a bounded queue of its own; a client that keeps to 1 MiB beyond the last
 *   stdin_ack never fills it, one that doesn't is no longer read.
 * - A client that closes its side can't acknowledge any more: its stdin has ended, and what is sent to it counts as taken.
 *   Only after a moment without a cancellation: that too begins by closing the side.
 * - A client that vanishes ends the call; the process goes on without it.
 */
export class ProcessPump {
  readonly #stream: ProcessStream;
  readonly #logger: Logger;
  readonly #clock: Pick<Clock, 'sleep'>;
  readonly #outbox = new AsyncQueue<ServerMessage>(OUTPUT_QUEUE_BYTES, (message) => dataBytes(message) + 256);
  readonly #stdin = new AsyncQueue<StdinChunk>(LIMITS.stdinWindowBytes, (chunk) => chunk.data.length + 64);
  readonly #takesStdin: boolean;
  #halfClosed = false;
  #over = false;
  #sent: { stdout: bigint; stderr: bigint };

  constructor(stream: ProcessStream, options: { takesStdin: boolean; logger: Logger; clock: Pick<Clock, 'sleep'> }) {
    this.#stream = stream;
    this.#takesStdin = options.takesStdin;
    this.#logger = options.logger;
    this.#clock = options.clock;
    this.#sent = { ...stream.offsets };
  }

  /** What goes to the client: started, output in order, stdin acknowledgements, and exit last. Rejects with the signal's reason or the first failure. */
  async *run(messages: AsyncIterator<ClientMessage>, signal: AbortSignal): AsyncGenerator<ServerMessage, void, undefined> {
    const fail = (error: unknown): void => { this.#outbox.fail(error); };
    if (signal.aborted) throw reasonOf(signal);
    const listener = addAbortListener(signal, () => {
      this.#over = true;
      fail(reasonOf(signal));
    });
    try {
      // Output is asked for first, and waits in the queue: so the guest's answer is under way while the client is told of the start.
      this.#sendOutput().catch(fail);
      yield startedToWire(this.#stream);
      this.#receive(messages, signal).catch(fail);
      this.#writeStdin().catch(fail);
      for await (const message of this.#outbox) {
        yield message;
        this.#afterSending(message);
      }
    } finally {
      listener[Symbol.dispose]();
      this.#over = true;
      this.#stdin.end();
    }
  }

  async #sendOutput(): Promise<void> {
    for await (const event of this.#stream.output) {
      if (!(await this.#outbox.push(streamEventToWire(event)))) return;
      if (event.kind !== 'exit') continue;
      this.#outbox.end();
      return;
    }
    throw new DomainError('INTERNAL', 'the output ended without an exit status', { sandboxId: this.#stream.sandboxId, containerId: this.#stream.containerId });
  }

  async #receive(messages: AsyncIterator<ClientMessage>, signal: AbortSignal): Promise<void> {
    for (let next = await messages.next(); next.done !== true; next = await messages.next()) {
      await this.#tolerant(next.value.$case, this.#take(next.value));
    }
    // A broken connection ends the messages as well, but the signal comes first.
    if (this.#over) return;
    await this.#clock.sleep(HALF_CLOSE_SETTLES_MS, { signal });
    if (this.#ended()) return;
    this.#halfClosed = true;
    this.#stream.ack(this.#sent);
    this.#stdin.end();
  }

  async #take(message: ClientMessage): Promise<void> {
    switch (message.$case) {
      case 'ack':
        this.#stream.ack(message.value);
        return;
      case 'stdin':
        await this.#stdin.push(checkStdin(message.value, this.#takesStdin));
        return;
      case 'stdinEof':
        this.#stdin.end();
        return;
      case 'resize': {
        const size = parsed((errors) => checkTtySize(errors, 'resize', message.value));
        if (size !== undefined) await this.#stream.resize(size);
        return;
      }
      case 'signal':
        await this.#stream.signal(parsed((errors) => {
          errors.check(message.value.signal !== '', 'signal.signal', 'is required');
          return checkSignal(errors, 'signal.signal', message.value.signal, '');
        }));
    }
  }

  async #writeStdin(): Promise<void> {
    for await (const chunk of this.#stdin) {
      // Without its client nothing more goes in: what was not acknowledged, a resuming client sends again.
      if (this.#over) return;
      const taken = await this.#tolerant('stdin', this.#stream.writeStdin(chunk.offset, chunk.data));
      if (taken !== undefined) await this.#outbox.push({ $case: 'stdinAck', value: { offset: taken } });
    }
    if (!this.#over && this.#takesStdin) await this.#tolerant('stdinEof', this.#stream.closeStdin());
  }

  /** Undefined when the process had ended before. */
  async #tolerant<T>(what: string, work: Promise<T>): Promise<T | undefined> {
    try {
      return await work;
    } catch (error) {
      if (!(error instanceof DomainError) || !ALREADY_ENDED.has(error.reason)) throw error;
      this.#logger.debug({ what, reason: error.reason, exec: this.#stream.execId, container: this.#stream.containerId }, 'came after the end of the process');
      return undefined;
    }
  }

  /** A method, because the field changes while others run. */
  #ended(): boolean {
    return this.#over;
  }

  #afterSending(message: ServerMessage): void {
    if (message.$case !== 'stdout' && message.$case !== 'stderr') return;
    this.#sent = { ...this.#sent, [message.$case]: message.value.offset + BigInt(message.value.data.length) };
    if (this.#halfClosed) this.#stream.ack(this.#sent);
  }
}

function checkStdin(message: StreamData, takesStdin: boolean): StdinChunk {
  return parsed((errors) => {
    errors.check(takesStdin, 'stdin', 'was not asked for in the first message');
    errors.check(message.data.length <= LIMITS.streamDataBytes, 'stdin.data', `has ${message.data.length} bytes, at most ${LIMITS.streamDataBytes} are allowed`);
    return message;
  });
}
