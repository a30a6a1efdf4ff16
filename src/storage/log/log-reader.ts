import { raceSignal, throwIfAborted } from '../../base/abort.ts';
import type { LogEvent, LogPosition, LogReadOptions, OutputName } from '../../core/ports/logs.ts';
import { HEADER_BYTES, LARGEST_PIECE, LineClock, NEWLINE } from './cri-format.ts';
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

  /** The piece from `start` to `end`, with its newline when the line is full. */
  add(piece: { stream: OutputName; atMs: number; offset: bigint; full: boolean }, block: Buffer, start: number, end: number): void {
    if (this.#bytes === 0) {
      this.#stream = piece.stream;
      this.#atMs = piece.atMs;
      this.#from = piece.offset;
    }
    this.#bytes += block.copy(this.#parts, this.#bytes, start, end);
    if (piece.full) this.#parts[this.#bytes++] = NEWLINE;
  }

  take(): LogEvent | undefined {
    if (this.#bytes === 0) return undefined;
    const data = Uint8Array.from(this.#parts.subarray(0, this.#bytes));
    this.#bytes = 0;
    return { kind: 'data', stream: this.#stream, offset: this.#from, data, atMs: this.#atMs };
  }
}

/** One reader's way through the segments of a log. */
class LogReading {
  readonly #view: LogView;
  readonly #options: LogReadOptions;
  readonly #gathering = new Gathering();
  readonly #clock = new LineClock();
  readonly #wanted: { stdout: bigint; stderr: bigint };
  /** File position before which lines of the first segment are passed over. */
  #passBefore = 0;

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
    try {
      yield* this.#hole('stdout', segment.base.stdout);
      yield* this.#hole('stderr', segment.base.stderr);
      const scanner = new SegmentScanner(file, segment.base);
      for (;;) {
        const news = this.#view.news;
        const { ended } = this.#view;
        const last = this.#view.segments.at(-1) === segment;
        while (await scanner.fill()) yield* this.#lines(scanner);
        if (!last || ended || !this.#options.follow || scanner.broken) return;
        await raceSignal(news, this.#options.signal);
      }
    } finally {
      this.#passBefore = 0;
      await file.close();
    }
  }

  *#lines(scanner: SegmentScanner): Generator<LogEvent, void, undefined> {
    let before = scanner.position;
    for (let line = scanner.next(); line !== undefined; line = scanner.next()) {
      if (before >= this.#passBefore) yield* this.#line(line, scanner);
      else this.#wanted[line.stream] = scanner.offsetOf(line.stream);
      before = scanner.position;
    }
    yield* this.#flush();
    throwIfAborted(this.#options.signal);
  }

  *#line(line: LogLine, scanner: SegmentScanner): Generator<LogEvent, void, undefined> {
    const { stream } = line;
    if (line.kind === 'skip') {
      yield* this.#flush();
      yield* this.#hole(stream, line.to);
      return;
    }
    const start = scanner.start + HEADER_BYTES;
    const length = scanner.end - start + (line.full ? 1 : 0);
    const after = scanner.offsetOf(stream);
    const known = Number(this.#wanted[stream] - (after - BigInt(length)));
    if (known >= length) return;
    this.#wanted[stream] = after;
    const atMs = this.#clock.at(scanner.block, scanner.start);
    if (this.#options.sinceMs !== undefined && atMs < this.#options.sinceMs) return;
    if (this.#gathering.refuses(stream, atMs, length)) yield* this.#flush();
    const skipped = Math.max(known, 0);
    this.#gathering.add({ stream, atMs, offset: after - BigInt(length - skipped), full: line.full }, scanner.block, start + skipped, scanner.end);
  }

  *#flush(): Generator<LogEvent, void, undefined> {
    const event = this.#gathering.take();
    if (event !== undefined) yield event;
  }

  /** The stream goes on at `to`; what is wanted before that is gone. */
  *#hole(stream: OutputName, to: bigint): Generator<LogEvent, void, undefined> {
    const from = this.#wanted[stream];
    if (to <= from) return;
    this.#wanted[stream] = to;
    yield { kind: 'lost', stream, from, to };
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
