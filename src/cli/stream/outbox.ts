import type { StreamOffsets, TtySize } from '../../gen/vivarium/v1/container.ts';
import type { ClientMessage } from './process-call.ts';
import type { StdinWindow } from './stdin-window.ts';
import { Wakeup } from './wakeup.ts';

const stdinPieceBytes = 64 * 1024;

/** One connection of a stream, from its opening message to its end. */
export interface Connection {
  /** The daemon has said `started`: stdin has its offset from then on. */
  started: boolean;
  /** Nothing more comes: send the last acknowledgement and end. */
  closing: boolean;
  /** It broke, or was left. */
  over: boolean;
  /** What the daemon knows that we have dealt with. */
  acked: StreamOffsets;
  stdinEofSent: boolean;
}

export const newConnection = (acked: StreamOffsets): Connection =>
  ({ started: false, closing: false, over: false, acked, stdinEofSent: false });

/** What is to be sent on a stream, in order of urgency: signals, size, acknowledgement, stdin. Only the newest size and acknowledgement are sent. */
export class Outbox {
  readonly #wakeup = new Wakeup();
  readonly #stdin: StdinWindow;
  readonly #written: () => StreamOffsets;
  readonly #signals: string[] = [];
  #resize: TtySize | undefined;

  constructor(stdin: StdinWindow, written: () => StreamOffsets) {
    this.#stdin = stdin;
    this.#written = written;
  }

  signal(name: string): void {
    this.#signals.push(name);
    this.wake();
  }

  resize(size: TtySize): void {
    this.#resize = size;
    this.wake();
  }

  /** Something that is asked for when sending has changed: stdin, acknowledgements, the connection. */
  wake(): void {
    this.#wakeup.notify();
  }

  async *messages(connection: Connection): AsyncGenerator<ClientMessage> {
    while (!connection.over) {
      const message = connection.started ? this.#next(connection) : undefined;
      if (message !== undefined) yield message;
      else if (connection.closing) return;
      else await this.#wakeup.wait();
    }
  }

  #next(connection: Connection): ClientMessage | undefined {
    const signal = this.#signals.shift();
    if (signal !== undefined) return { $case: 'signal', value: { signal } };
    if (this.#resize !== undefined) {
      const value = this.#resize;
      this.#resize = undefined;
      return { $case: 'resize', value };
    }
    return this.#nextAck(connection) ?? this.#nextStdin(connection);
  }

  #nextAck(connection: Connection): ClientMessage | undefined {
    const value = this.#written();
    if (value.stdout <= connection.acked.stdout && value.stderr <= connection.acked.stderr) return undefined;
    connection.acked = value;
    return { $case: 'ack', value };
  }

  #nextStdin(connection: Connection): ClientMessage | undefined {
    if (connection.closing) return undefined;
    const piece = this.#stdin.next(stdinPieceBytes);
    if (piece !== undefined) return { $case: 'stdin', value: piece };
    if (!this.#stdin.finished || connection.stdinEofSent) return undefined;
    connection.stdinEofSent = true;
    return { $case: 'stdinEof', value: {} };
  }
}
