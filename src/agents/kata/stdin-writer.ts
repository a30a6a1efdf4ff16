import { DomainError } from '../../core/model/errors.ts';

/** An answer to one write is awaited before the next: writes that overtake each other reorder. */
const PIECE_BYTES = 64 * 1024;

export interface StdinCalls {
  readonly write: (data: Uint8Array) => Promise<void>;
  readonly close: () => Promise<void>;
}

/** Standard input of a process under an official agent: one write under way at a time, offsets counted here. */
export class StdinWriter {
  readonly #calls: StdinCalls;
  #accepted: bigint | undefined;
  #last: Promise<unknown> = Promise.resolve();

  /** `accepted`: bytes that the process has got; undefined when an earlier connection sent some, which only the caller can know. */
  constructor(calls: StdinCalls, accepted: bigint | undefined) {
    this.#calls = calls;
    this.#accepted = accepted;
  }

  /** As GuestAgent.writeStdin, in the order of the calls. */
  async write(offset: bigint, data: Uint8Array, eof: boolean): Promise<bigint> {
    const turn = this.#last.then(() => this.#send(offset, data, eof));
    this.#last = turn.catch(() => undefined);
    return await turn;
  }

  async #send(offset: bigint, data: Uint8Array, eof: boolean): Promise<bigint> {
    this.#accepted ??= offset;
    if (offset > this.#accepted) {
      throw new DomainError('OFFSET_OUT_OF_RANGE', `stdin has been taken up to ${this.#accepted.toString()}, so nothing can be taken at ${offset.toString()}`);
    }
    const fresh = data.subarray(Number(bigMin(BigInt(data.length), this.#accepted - offset)));
    for (let at = 0; at < fresh.length; at += PIECE_BYTES) {
      const piece = fresh.subarray(at, at + PIECE_BYTES);
      await this.#calls.write(piece);
      this.#accepted += BigInt(piece.length);
    }
    if (eof) await this.#calls.close();
    return this.#accepted;
  }
}

function bigMin(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
