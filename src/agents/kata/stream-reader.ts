import { deferred } from '../../base/abort.ts';
import type { Deferred } from '../../base/abort.ts';

/** Bytes of a stream that are read ahead of what was acknowledged. */
const WINDOW_BYTES = 1024n * 1024n;

interface Piece {
  readonly offset: bigint;
  readonly data: Uint8Array;
}

/**
 * One output stream of a process under an agent that forgets what it has sent: reads it piece by piece, one read under way at a time, counts the
 * offsets, and keeps every byte here until it is acknowledged.
 */
export class StreamReader {
  readonly #read: () => Promise<Uint8Array>;
  readonly #changed: () => void;
  readonly #pieces: Piece[] = [];
  #reached: bigint;
  #acked: bigint;
  #eof = false;
  #failure: Error | undefined;
  #room: Deferred<undefined> | undefined;

  /** `read` answers the next bytes, none at the end. `from`: the offset of its first. `changed` is called after each piece and at the end. */
  constructor(from: bigint, read: () => Promise<Uint8Array>, changed: () => void) {
    this.#reached = from;
    this.#acked = from;
    this.#read = read;
    this.#changed = changed;
  }

  /** Everything up to the end has been read. */
  get ended(): boolean {
    return this.#eof;
  }

  /** Why there will be no more. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  get reached(): bigint {
    return this.#reached;
  }

  /** The lowest offset that is still here. */
  get kept(): bigint {
    return this.#pieces[0]?.offset ?? this.#reached;
  }

  /** Reads until the end. Never rejects. */
  async run(): Promise<void> {
    try {
      while (!this.#eof) {
        await this.#window();
        this.#take(await this.#read());
      }
    } catch (error) {
      this.#failure = error instanceof Error ? error : new Error(String(error));
    }
    this.#changed();
  }

  /** The first bytes at or after an offset that is kept. */
  next(offset: bigint): Piece | undefined {
    const piece = this.#pieces.find(({ offset: start, data }) => start + BigInt(data.length) > offset);
    if (piece === undefined || piece.offset >= offset) return piece;
    return { offset, data: piece.data.subarray(Number(offset - piece.offset)) };
  }

  ack(offset: bigint): void {
    if (offset <= this.#acked) return;
    this.#acked = offset;
    while (this.#pieces[0] !== undefined && this.#pieces[0].offset + BigInt(this.#pieces[0].data.length) <= offset) this.#pieces.shift();
    this.#room?.resolve(undefined);
  }

  #take(data: Uint8Array): void {
    if (data.length === 0) {
      this.#eof = true;
      return;
    }
    this.#pieces.push({ offset: this.#reached, data });
    this.#reached += BigInt(data.length);
    this.#changed();
  }

  async #window(): Promise<void> {
    while (this.#reached - this.#acked >= WINDOW_BYTES) {
      this.#room = deferred<undefined>();
      await this.#room.promise;
    }
  }
}
