/** Bytes of a stream that are gone: `from` up to, not including, `to`. */
export interface Gap {
  readonly from: bigint;
  readonly to: bigint;
}

/** Where we are in one output stream of a process; offsets count its bytes from the start. */
export class OutputProgress {
  #received = 0n;
  #written = 0n;

  /** The next byte that we expect; a resumed stream starts here. */
  get received(): bigint {
    return this.#received;
  }

  /** Every byte below was handed to the reader of our output; what the daemon may forget. */
  get written(): bigint {
    return this.#written;
  }

  begin(offset: bigint): void {
    this.#received = this.#written = offset;
  }

  /** @returns the bytes not seen before, and what was skipped without a word before them */
  accept(offset: bigint, data: Uint8Array): { fresh: Uint8Array; gap: Gap | undefined } {
    const end = offset + BigInt(data.length);
    if (end <= this.#received) return { fresh: data.subarray(0, 0), gap: undefined };
    const gap = offset > this.#received ? { from: this.#received, to: offset } : undefined;
    const seen = offset < this.#received ? Number(this.#received - offset) : 0;
    this.#received = end;
    return { fresh: data.subarray(seen), gap };
  }

  /** @returns what is newly lost; undefined when all of it was received before */
  lost(from: bigint, to: bigint): Gap | undefined {
    if (to <= this.#received) return undefined;
    const gap = { from: from > this.#received ? from : this.#received, to };
    this.#received = to;
    return gap;
  }

  /** Everything below `offset` was written. */
  wrote(offset: bigint): void {
    if (offset > this.#written) this.#written = offset;
  }
}
