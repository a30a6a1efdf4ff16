/** The stdin of a process as the client keeps it: what was read and is not yet acknowledged, so that it can be sent again. */
export class StdinWindow {
  readonly #limit: number;
  #chunks: Buffer[] = [];
  /** Offset of the first kept byte. */
  #acked = 0n;
  #sent = 0n;
  #read = 0n;
  #eof = false;

  /** @param limit how many bytes may be on their way, unacknowledged */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The stream stands for the first time: the process has taken `offset` bytes already, from others. */
  begin(offset: bigint): void {
    this.#acked = this.#sent = this.#read = offset;
  }

  /**
   * The stream stands again: everything from `offset` has to be sent once more.
   * @throws {RangeError} when the daemon asks for bytes that we do not have
   */
  rewind(offset: bigint): void {
    if (offset < this.#acked || offset > this.#read) {
      throw new RangeError(`the daemon goes on at byte ${offset} of stdin, kept are ${this.#acked} to ${this.#read}`);
    }
    this.#sent = offset;
    this.ack(offset);
  }

  /** How many more bytes may be read from the source now. */
  get room(): number {
    return Math.max(0, this.#limit - Number(this.#read - this.#acked));
  }

  push(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#read += BigInt(chunk.length);
  }

  end(): void {
    this.#eof = true;
  }

  /** Everything below `offset` was taken. A repeated or older acknowledgement changes nothing. */
  ack(offset: bigint): void {
    let drop = Number((offset > this.#read ? this.#read : offset) - this.#acked);
    if (drop <= 0) return;
    this.#acked += BigInt(drop);
    if (this.#sent < this.#acked) this.#sent = this.#acked;
    let first = this.#chunks[0];
    while (first !== undefined && drop >= first.length) {
      drop -= first.length;
      this.#chunks.shift();
      first = this.#chunks[0];
    }
    if (first !== undefined && drop > 0) this.#chunks[0] = first.subarray(drop);
  }

  /** The next bytes to send, at most `max`; undefined when all was sent or the window is full. */
  next(max: number): { offset: bigint; data: Buffer } | undefined {
    let skip = Number(this.#sent - this.#acked);
    const allowed = Math.min(max, this.#limit - skip);
    if (allowed <= 0) return undefined;
    for (const chunk of this.#chunks) {
      if (skip < chunk.length) {
        const piece = { offset: this.#sent, data: chunk.subarray(skip, skip + allowed) };
        this.#sent += BigInt(piece.data.length);
        return piece;
      }
      skip -= chunk.length;
    }
    return undefined;
  }

  /** End of file was read and every byte before it sent. */
  get finished(): boolean {
    return this.#eof && this.#sent === this.#read;
  }
}
