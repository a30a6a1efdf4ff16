import type { LogPosition, OutputName } from '../../core/ports/logs.ts';
import { HEADER_BYTES, LONGEST_LINE, NEWLINE, parseLine, timeOf } from './cri-format.ts';
import type { LogLine } from './cri-format.ts';
import type { SegmentFile } from './log-files.ts';

/** An offset as a bigint that changes seldom and a number that changes with every line: bigints would take longer than the bytes. */
class StreamOffset {
  #base: bigint;
  #delta = 0;

  constructor(base: bigint) {
    this.#base = base;
  }

  get value(): bigint {
    return this.#base + BigInt(this.#delta);
  }

  add(bytes: number): void {
    this.#delta += bytes;
  }

  set(value: bigint): void {
    this.#base = value;
    this.#delta = 0;
  }
}

/**
 * Goes through the lines of one segment in order and keeps the streams' offsets. `next` gives the lines that are in memory, without
 * waiting; when it has none, `fill` reads more. Memory: four longest lines, or the whole of a shorter file.
 */
export class SegmentScanner {
  readonly #file: SegmentFile;
  readonly #block: Buffer;
  readonly #offsets: Readonly<Record<OutputName, StreamOffset>>;
  #view: Buffer;
  #start = 0;
  #end = -1;
  /** File position of the block's first byte. */
  #blockAt = 0;
  #broken = false;
  /** The last line's header: most lines have the one of the line before, and are not parsed again. */
  readonly #header = Buffer.alloc(HEADER_BYTES);
  #line: LogLine | undefined;
  #atMs = 0;
  #skippedFrom = 0n;

  /** `bytes`: how long the file is, when it does not grow meanwhile. */
  constructor(file: SegmentFile, base: LogPosition, bytes = Infinity) {
    this.#file = file;
    this.#block = Buffer.allocUnsafe(Math.min(LONGEST_LINE * 4, bytes));
    this.#view = this.#block.subarray(0, 0);
    this.#offsets = { stdout: new StreamOffset(base.stdout), stderr: new StreamOffset(base.stderr) };
  }

  /** The last line's time, in milliseconds since the epoch. */
  get atMs(): number {
    return this.#atMs;
  }

  /** Where its stream stood before the last skip. */
  get skippedFrom(): bigint {
    return this.#skippedFrom;
  }

  /** Where both streams stand after the lines so far. */
  get offsets(): LogPosition {
    return { stdout: this.#offsets.stdout.value, stderr: this.#offsets.stderr.value };
  }

  offsetOf(stream: OutputName): bigint {
    return this.#offsets[stream].value;
  }

  /** File position after the last line that `next` gave. */
  get position(): number {
    return this.#blockAt + this.#end + 1;
  }

  /** A line that is none of ours was met: what is behind it can't be placed. */
  get broken(): boolean {
    return this.#broken;
  }

  /** The memory of the last line, until the next `fill`; the line goes from `start` to its newline at `end`. */
  get block(): Buffer {
    return this.#block;
  }

  get start(): number {
    return this.#start;
  }

  get end(): number {
    return this.#end;
  }

  /** The next line in memory; the offsets then stand behind it. Undefined: `fill` first. */
  next(): LogLine | undefined {
    const start = this.#end + 1;
    const end = this.#broken ? -1 : this.#view.indexOf(NEWLINE, start);
    if (end < 0) return undefined;
    const line = this.#parse(start, end);
    if (line === undefined) {
      this.#broken = true;
      return undefined;
    }
    const offset = this.#offsets[line.stream];
    if (line.kind === 'skip') {
      this.#skippedFrom = offset.value;
      offset.set(line.to);
    } else {
      offset.add(end - start - HEADER_BYTES + (line.full ? 1 : 0));
    }
    this.#start = start;
    this.#end = end;
    return line;
  }

  #parse(start: number, end: number): LogLine | undefined {
    const same = this.#line?.kind === 'bytes' && end - start >= HEADER_BYTES && this.#block.compare(this.#header, 0, HEADER_BYTES, start, start + HEADER_BYTES) === 0;
    if (same) return this.#line;
    this.#line = parseLine(this.#block, start, end);
    this.#block.copy(this.#header, 0, start, start + HEADER_BYTES);
    this.#atMs = timeOf(this.#block, start);
    return this.#line;
  }

  /** Reads what follows. False: nothing more is written so far, or it can't be a line. */
  async fill(): Promise<boolean> {
    const rest = this.#view.length - (this.#end + 1);
    if (rest > LONGEST_LINE) this.#broken = true;
    if (this.#broken) return false;
    this.#block.copyWithin(0, this.#end + 1, this.#view.length);
    this.#blockAt += this.#end + 1;
    this.#end = -1;
    const read = await this.#file.read(this.#block.subarray(rest), this.#blockAt + rest);
    this.#view = this.#block.subarray(0, rest + read);
    return read > 0;
  }
}
