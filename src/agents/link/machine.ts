import type { Token } from './blocks.ts';
import { ACK_BYTES, ACK_MARK_BYTES, ackMark, go, hello } from './blocks.ts';

/** What the agent said in its ACK. */
export interface Agreement {
  /** Names the agent process: another value means another one. */
  readonly instance: Uint8Array;
  /** What followed the ACK in the same chunk. */
  readonly rest: Uint8Array;
}

/**
 * The host's side of the link's handshake, pure: bytes in, agreement out.
 *
 *   searching --(next + ACK)--> agreed
 *
 * All input is noise until then: the end of what an earlier connection left behind, whatever it contains. Only the fresh token ends the search,
 * so nothing that a container printed can.
 */
export class LinkMachine {
  readonly #known: readonly Token[];
  readonly #next: Token;
  readonly #mark: Uint8Array;
  #tail: Uint8Array = new Uint8Array(0);

  /** `known`: every token that the guest may hold, oldest first. `next`: fresh random bits, used for nothing else. */
  constructor(known: readonly Token[], next: Token) {
    this.#known = known;
    this.#next = next;
    this.#mark = ackMark(next);
  }

  /** The greeting, one HELLO for each known token. Sent again and again until the ACK comes: repeats are noise to the guest. */
  greeting(): readonly Uint8Array[] {
    return this.#known.map((token) => hello(token, this.#next));
  }

  /** What opens the link after the agreement. */
  opening(): Uint8Array {
    return go(this.#next);
  }

  /** Takes bytes from the guest; answers the agreement when they complete an ACK. */
  push(chunk: Uint8Array): Agreement | undefined {
    const bytes = this.#tail.length === 0 ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length) : Buffer.concat([this.#tail, chunk]);
    const start = bytes.indexOf(this.#mark);
    if (start < 0) {
      this.#keep(bytes, Math.max(0, bytes.length - ACK_MARK_BYTES + 1));
      return undefined;
    }
    if (bytes.length < start + ACK_BYTES) {
      this.#keep(bytes, start);
      return undefined;
    }
    return { instance: bytes.subarray(start + ACK_MARK_BYTES, start + ACK_BYTES), rest: bytes.subarray(start + ACK_BYTES) };
  }

  /** Keeps a copy of the few bytes that an ACK may begin with, not the chunk they came in. */
  #keep(bytes: Uint8Array, from: number): void {
    this.#tail = Uint8Array.prototype.slice.call(bytes, from);
  }
}
