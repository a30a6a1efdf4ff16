import { raceSignal, throwIfAborted } from '../../base/abort.ts';
import type { LogEvent, LogPosition, LogReadOptions, OutputName } from '../../core/ports/logs.ts';
import { HEADER_BYTES, LARGEST_PIECE, NEWLINE } from './cri-format.ts';
import type { LogLine } from './cri-format.ts';
import type { SegmentFile } from './log-files.ts';
import { SegmentScanner } from './segment-scanner.ts';
import type { Segment } from './segment-name.ts';
import { tailStart } from './tail.ts';

/** What a reader needs of a log. */
export interface LogView {
  /** Oldest first; changes as the log rotates. */
  readonly segments: readonly Segment[];
  /** Bytes of the newest segment. */
  readonly size: number;
  /** No more bytes will come. */
  readonly ended: boolean;
  /** Resolves when something was written or the log has ended. A new promise each time. */
  readonly news: Promise<unknown>;
  /** For what is written whole. Undefined when it was rotated away. */
  openSegment(segment: Segment): Promise<SegmentFile | undefined>;
}

/** Gathers the pieces of one write, as long as they follow on each other, so that a reader gets about what the writer wrote. */
class Gathering {
  #stream: OutputName = 'stdout';
  #from = 0n;
  #atMs = 0;
  #parts = Buffer.allocUnsafe(LARGEST_PIECE + 1);
  #bytes = 0;

  /** True when the piece could not be added: `take` first. */
  refuses(stream: OutputName, atMs: number, bytes: number): boolean {
    return this.#bytes > 0 && (stream !== this.#stream || atMs !== this.#atMs || this.#bytes + bytes > this.#parts.length);
  }

  get empty(): boolean {
    return this.#bytes === 0;
  }

  /** What is added next is of this stream, begins there and was written then. */
  begin(stream: OutputName, atMs: number, from: bigint): void {
    this.#stream = stream;
    this.#atMs = atMs;
    this.#from = from;
  }

  /** The piece from `start` to `end`, with its newline when the line is full. */
  add(block: Buffer, start: number, end: number, full: boolean): void {
    this.#bytes += block.copy(this.#parts, this.#bytes, start, end);
    if (full) this.#parts[this.#bytes++] = NEWLINE;
  }

  take(): LogEvent {
    const data = new Uint8Array(this.#parts.subarray(0, this.#bytes));
    this.#bytes = 0;
    return { kind: 'data', stream: this.#stream, offset: this.#from, data, atMs: this.#atMs };
  }
}

/** One reader's way through the segments of a log. */
class LogReading {
  readonly #view: LogView;
  readonly #options: LogReadOptions;
  readonly #gathering = new Gathering();
  readonly #wanted: { stdout: bigint; stderr: bigint };
  /** What is wanted of a stream is what comes next in the segment, so that offsets need not be compared for every line. */
  readonly #level = { stdout: false, stderr: false };
  /** File position before which lines of the first segment are passed over. */
  #passBefore: number;
  #events: LogEvent[] = [];

  constructor(view: LogView, options: LogReadOptions, start: { readonly wanted: LogPosition; readonly position: number }) {
    this.#view = view;
    this.#options = options;
    this.#wanted = { ...start.wanted };
    this.#passBefore = start.position;
  }

  /** Through one segment, to its end; the one that is written is waited on when the reader follows. */
  async *segment(segment: Segment): AsyncGenerator<LogEvent, void, undefined> {
    const file = await this.#view.openSegment(segment);
    if (file === undefined) return;
    const scanner = new SegmentScanner(file, segment.base);
    try {
      this.#hole('stdout', segment.base.stdout);
      this.#hole('stderr', segment.base.stderr);
      for (;;) {
        const news = this.#view.news;
        const { ended } = this.#view;
        const last = this.#view.segments.at(-1) === segment;
        yield* this.#taken();
        while (await scanner.fill()) {
          this.#lines(scanner);
          yield* this.#taken();
          throwIfAborted(this.#options.signal);
        }
        if (!last || ended || !this.#options.follow || scanner.broken) return;
        await raceSignal(news, this.#options.signal);
      }
    } finally {
      this.#leave(scanner);
      await file.close();
    }
  }

  #taken(): readonly LogEvent[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }

  /** The next segment is begun with offsets that are compared. */
  #leave(scanner: SegmentScanner): void {
    for (const stream of ['stdout', 'stderr'] as const) {
      if (this.#level[stream]) this.#wanted[stream] = scanner.offsetOf(stream);
      this.#level[stream] = false;
    }
    this.#passBefore = 0;
  }

  #lines(scanner: SegmentScanner): void {
    let before = scanner.position;
    for (let line = scanner.next(); line !== undefined; line = scanner.next()) {
      if (before < this.#passBefore) this.#wanted[line.stream] = scanner.offsetOf(line.stream);
      else if (line.kind === 'skip') this.#skip(line, scanner);
      else this.#bytes(line, scanner);
      before = scanner.position;
    }
    this.#flush();
  }

  #skip({ stream, to }: LogLine & { kind: 'skip' }, scanner: SegmentScanner): void {
    this.#flush();
    if (this.#level[stream]) this.#wanted[stream] = scanner.skippedFrom;
    this.#level[stream] = false;
    this.#hole(stream, to);
  }

  #bytes({ stream, full }: LogLine & { kind: 'bytes' }, scanner: SegmentScanner): void {
    const start = scanner.start + HEADER_BYTES;
    const length = scanner.end - start + (full ? 1 : 0);
    const known = this.#level[stream] ? 0 : this.#knownOf(stream, length, scanner);
    if (known >= length) return;
    this.#level[stream] = true;
    const { atMs } = scanner;
    if (this.#options.sinceMs !== undefined && atMs < this.#options.sinceMs) return;
    if (this.#gathering.refuses(stream, atMs, length)) this.#flush();
    if (this.#gathering.empty) this.#gathering.begin(stream, atMs, scanner.offsetOf(stream) - BigInt(length - known));
    this.#gathering.add(scanner.block, start + known, scanner.end, full);
  }

  /** How many bytes of the last line the reader has already. */
  #knownOf(stream: OutputName, length: number, scanner: SegmentScanner): number {
    const offset = scanner.offsetOf(stream) - BigInt(length);
    return Math.max(0, Number(this.#wanted[stream] - offset));
  }

  #flush(): void {
    if (!this.#gathering.empty) this.#events.push(this.#gathering.take());
  }

  /** The stream goes on at `to`; what is wanted before that is gone. */
  #hole(stream: OutputName, to: bigint): void {
    const from = this.#wanted[stream];
    if (to <= from) return;
    this.#wanted[stream] = to;
    this.#events.push({ kind: 'lost', stream, from, to });
  }
}

/** The last segment that has both offsets at or behind its beginning; the oldest when they are gone. */
function segmentFor(segments: readonly Segment[], from: LogPosition): Segment | undefined {
  return segments.findLast(({ base }) => base.stdout <= from.stdout && base.stderr <= from.stderr) ?? segments[0];
}

/** A log's events from where the options say; see LogReadOptions. A consumer that is slow slows itself alone. */
export async function* readLog(view: LogView, options: LogReadOptions): AsyncGenerator<LogEvent, void, undefined> {
  const oldest = view.segments[0];
  const tail = options.from === undefined && options.tail !== undefined ? await tailStart(view, options.tail) : undefined;
  const wanted = options.from ?? tail?.segment.base ?? oldest?.base ?? { stdout: 0n, stderr: 0n };
  const reading = new LogReading(view, options, { wanted, position: tail?.position ?? 0 });
  let segment = tail?.segment ?? segmentFor(view.segments, wanted);
  while (segment !== undefined) {
    const { name } = segment;
    yield* reading.segment(segment);
    segment = view.segments.find((candidate) => candidate.name > name);
  }
}
