const NEWLINE = 0x0a;

/** The largest line that is taken unless told otherwise, in bytes. */
export const MAX_LINE_BYTES = 64 * 1024 * 1024;

/** A peer sent a line that is longer than agreed; the stream cannot be used further. */
export class LineTooLongError extends Error {
  override readonly name = 'LineTooLongError';
  readonly limitBytes: number;

  constructor(limitBytes: number) {
    super(`a line is longer than ${limitBytes} bytes`);
    this.limitBytes = limitBytes;
  }
}

/** A rest this large is not kept as room for the next line. */
const KEEP_ROOM_BYTES = 64 * 1024;

/**
 * Cuts a stream of bytes into lines. Each byte is searched once, and an unfinished line grows in room that doubles, so the cost is linear
 * however the bytes are cut into chunks. Lines come without their `\n`; an empty line is passed on as such.
 */
export class LineSplitter {
  readonly #limitBytes: number;
  #rest: Buffer = Buffer.alloc(0);
  #restBytes = 0;
  #broken = false;

  constructor(limitBytes: number = MAX_LINE_BYTES) {
    this.#limitBytes = limitBytes;
  }

  /** Bytes kept of a line that has not ended. */
  get pendingBytes(): number {
    return this.#restBytes;
  }

  /**
   * The lines that this chunk completes; they own their memory, so the caller may reuse the chunk's.
   * Throws LineTooLongError, then and at each later call.
   */
  push(chunk: Uint8Array): Buffer[] {
    if (this.#broken) throw new LineTooLongError(this.#limitBytes);
    const lines: Buffer[] = [];
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE, start); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      lines.push(this.#complete(chunk.subarray(start, end)));
      start = end + 1;
    }
    if (start < chunk.length) this.#keep(chunk.subarray(start));
    return lines;
  }

  #complete(last: Uint8Array): Buffer {
    this.#check(last.length);
    const line = Buffer.concat([this.#rest.subarray(0, this.#restBytes), last]);
    this.#restBytes = 0;
    if (this.#rest.length > KEEP_ROOM_BYTES) this.#rest = Buffer.alloc(0);
    return line;
  }

  #keep(more: Uint8Array): void {
    this.#check(more.length);
    const needed = this.#restBytes + more.length;
    if (needed > this.#rest.length) {
      const grown = Buffer.allocUnsafe(Math.max(needed, this.#rest.length * 2));
      this.#rest.copy(grown, 0, 0, this.#restBytes);
      this.#rest = grown;
    }
    this.#rest.set(more, this.#restBytes);
    this.#restBytes = needed;
  }

  #check(more: number): void {
    if (this.#restBytes + more <= this.#limitBytes) return;
    this.#broken = true;
    this.#rest = Buffer.alloc(0);
    throw new LineTooLongError(this.#limitBytes);
  }
}

/** A line that is no JSON. `excerpt` is its beginning, for the log. */
export class BadJsonLineError extends Error {
  override readonly name = 'BadJsonLineError';
  readonly excerpt: string;

  constructor(excerpt: string, options: { cause: unknown }) {
    super(`a line is not JSON: ${JSON.stringify(excerpt)}`, options);
    this.excerpt = excerpt;
  }
}

/** The value of one line. Surrounding white space (a `\r` before the newline) is no matter. Throws BadJsonLineError. */
export function parseJsonLine(line: Buffer): unknown {
  const text = line.toString('utf8');
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new BadJsonLineError(text.slice(0, 120), { cause });
  }
}

/** One value as a line, with its newline. JSON text holds no raw newline, so no escaping is needed. */
export function formatJsonLine(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}
