import { join } from 'node:path';
import { deferred } from '../../base/abort.ts';
import type { Deferred } from '../../base/abort.ts';
import { DomainError } from '../../core/model/errors.ts';
import type { ContainerLog, LogEvent, LogPosition, LogReadOptions, OutputName } from '../../core/ports/logs.ts';
import { encodeBytes, encodeSkip } from './cri-format.ts';
import type { LogFiles, SegmentFile } from './log-files.ts';
import { readLog } from './log-reader.ts';
import type { LogView } from './log-reader.ts';
import { segmentName } from './segment-name.ts';
import type { Segment } from './segment-name.ts';

export interface LogLimits {
  /** A segment that has reached this is followed by a new one. */
  readonly segmentBytes: number;
  /** So many segments are kept, the one that is written included. */
  readonly segments: number;
}

/** What `open` found in a directory, repaired. */
export interface OpenedLog {
  readonly directory: string;
  readonly files: LogFiles;
  readonly limits: LogLimits;
  readonly segments: readonly [Segment, ...Segment[]];
  readonly current: SegmentFile;
  readonly size: number;
  readonly end: LogPosition;
  /** Times of lines that no caller dates: holes. */
  readonly now: () => number;
}

const FULL: ReadonlySet<unknown> = new Set(['ENOSPC', 'EDQUOT']);

/** A log in its directory. One writer; any number of readers, each at its own pace from the files. */
export class RotatedLog implements ContainerLog, LogView {
  readonly #opened: OpenedLog;
  readonly #segments: Segment[];
  #current: SegmentFile;
  #size: number;
  #end: { stdout: bigint; stderr: bigint };
  #state: 'open' | 'finished' | 'closed' = 'open';
  #news: Deferred<undefined> = deferred();
  /** The last write in the line of writes; never rejects. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(opened: OpenedLog) {
    this.#opened = opened;
    this.#segments = [...opened.segments];
    this.#current = opened.current;
    this.#size = opened.size;
    this.#end = { ...opened.end };
  }

  /** The file that is written now. */
  get path(): string {
    return join(this.#opened.directory, this.#segments.at(-1)?.name ?? '');
  }

  get end(): LogPosition {
    return { ...this.#end };
  }

  get segments(): readonly Segment[] {
    return this.#segments;
  }

  get size(): number {
    return this.#size;
  }

  get ended(): boolean {
    return this.#state !== 'open';
  }

  get news(): Promise<unknown> {
    return this.#news.promise;
  }

  async openSegment(segment: Segment): Promise<SegmentFile | undefined> {
    const file = await this.#opened.files.openToRead(join(this.#opened.directory, segment.name));
    if (file === undefined) return undefined;
    const readable = (): number => (this.#segments.at(-1) === segment ? this.#size : Number.POSITIVE_INFINITY);
    return { ...file, read: async (into, position) => await file.read(into.subarray(0, Math.max(0, readable() - position)), position) };
  }

  async append(stream: OutputName, offset: bigint, data: Uint8Array, atMs: number): Promise<void> {
    await this.#inTurn(async () => {
      this.#checkOpen();
      const end = this.#end[stream];
      if (offset > end) throw new DomainError('OFFSET_OUT_OF_RANGE', `${stream} goes on at ${end}, not at ${offset}`, { facts: { end: String(end), offset: String(offset) } });
      // What is there already is sent again after a broken connection.
      const known = end - offset;
      if (known >= BigInt(data.length)) return;
      this.#state = 'open';
      await this.#put(encodeBytes(stream, atMs, data.subarray(Number(known))), stream, offset + BigInt(data.length));
    });
  }

  async skip(stream: OutputName, to: bigint): Promise<void> {
    await this.#inTurn(async () => {
      this.#checkOpen();
      if (to <= this.#end[stream]) return;
      await this.#put(encodeSkip(stream, this.#opened.now(), to), stream, to);
    });
  }

  read(options: LogReadOptions): AsyncIterable<LogEvent> {
    return readLog(this, options);
  }

  async finish(): Promise<void> {
    await this.#inTurn(async () => {
      if (this.#state === 'open') this.#state = 'finished';
      this.#tell();
    });
  }

  async close(): Promise<void> {
    await this.#inTurn(async () => {
      if (this.#state === 'closed') return;
      this.#state = 'closed';
      this.#tell();
      await this.#current.close();
    });
  }

  /** All of it or nothing; the size and the offsets move together, and readers read no further than the size. */
  async #put(lines: Uint8Array, stream: OutputName, to: bigint): Promise<void> {
    await this.#rollIfFull();
    try {
      await this.#current.write(lines, this.#size);
    } catch (error) {
      // What was written of it goes, so that no half line is there after a restart.
      await this.#current.truncate(this.#size);
      throw writeFailure(error, this.path);
    }
    this.#size += lines.length;
    this.#end[stream] = to;
    this.#tell();
  }

  async #rollIfFull(): Promise<void> {
    const { limits, files, directory } = this.#opened;
    if (this.#size < limits.segmentBytes) return;
    const next: Segment = { name: segmentName(this.#end), base: { ...this.#end } };
    try {
      const file = await files.openToWrite(join(directory, next.name));
      await this.#current.close();
      this.#current = file;
    } catch (error) {
      throw writeFailure(error, join(directory, next.name));
    }
    this.#size = 0;
    this.#segments.push(next);
    for (const old of this.#segments.splice(0, this.#segments.length - limits.segments)) await files.remove(join(directory, old.name));
  }

  #checkOpen(): void {
    if (this.#state === 'closed') throw new DomainError('HOST_RESOURCE', `the log in ${this.#opened.directory} is closed`);
  }

  #tell(): void {
    const news = this.#news;
    this.#news = deferred();
    news.resolve(undefined);
  }

  async #inTurn(work: () => Promise<void>): Promise<void> {
    const mine = this.#turn.then(work);
    this.#turn = mine.catch(() => undefined);
    await mine;
  }
}

function writeFailure(error: unknown, path: string): DomainError {
  const message = `${path}: ${error instanceof Error ? error.message : String(error)}`;
  const full = error instanceof Error && 'code' in error && FULL.has(error.code);
  if (full) return new DomainError('STORAGE_FULL', message, { cause: error, remedy: 'free space in the state directory; the container waits meanwhile' });
  return new DomainError('HOST_RESOURCE', message, { cause: error, remedy: 'check the disk of the state directory' });
}
