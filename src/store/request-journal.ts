import { join } from 'node:path';
import { deferred } from '../base/abort.ts';
import type { Deferred } from '../base/abort.ts';
import { DomainError, toDomainError } from '../core/model/errors.ts';
import type { Clock } from '../core/ports/host.ts';
import type { BegunRequest, KeptRequest, RequestJournal, RequestOutcome } from '../core/ports/stores.ts';
import type { Logger } from '../core/ports/telemetry.ts';
import { ShapeError } from './codec.ts';
import { KeptRequests } from './kept-requests.ts';
import type { OutcomePlace, RequestSegment } from './kept-requests.ts';
import { decodeOutcome, encodeBegun, encodeEnded, encodeForgotten } from './request-line.ts';
import type { EncodedLine } from './request-line.ts';
import { parseRequests, requestSegmentName, requestSegmentNumber, SEGMENT_HEADER } from './request-segment.ts';
import { checkpointFailure } from './store-errors.ts';
import type { AppendFile, StoreFiles } from './store-files.ts';

export interface RequestJournalOptions {
  readonly files: StoreFiles;
  /** `<root>/requests`. */
  readonly directory: string;
  readonly clock: Pick<Clock, 'wallMs' | 'timer'>;
  readonly logger: Logger;
  /** At least so many of the last requests are kept, */
  readonly kept: number;
  /** and none that began longer ago than this. */
  readonly ageMs: number;
  /** A file with so many bytes is followed by a new one; all together have at most five times as many, and one outcome more. */
  readonly segmentBytes?: number;
}

const SEGMENT_BYTES = 16 * 1024 * 1024;
const SEGMENTS = 5;
/** Far over what the limits let a file become. */
const LARGEST_SEGMENT = 256 * 1024 * 1024;
/** What was written is on the disk after this, also should the host lose its power. */
const SYNC_MS = 1000;
/** Lines that wait for a disk that takes none. */
const BACKLOG = 10_000;
const EXPIRED_AT_A_TIME = 16;

interface Waiting {
  readonly line: EncodedLine;
  readonly done: Deferred<undefined>;
}

/**
 * Requests as lines in files that are named by their order. A request lives where its last line is; the oldest file goes when those after it hold
 * enough, after what is still open in it was written anew.
 *
 * A line has left the process (write(2)) before `begin` resolves, so a killed daemon loses none. It is on the disk a second later: a host that
 * loses its power forgets that second, and its VMs with it.
 */
export class FileRequestJournal implements RequestJournal {
  readonly #options: RequestJournalOptions;
  readonly #index: KeptRequests;
  /** Oldest first; the last one is written to. */
  readonly #segments: RequestSegment[];
  readonly unfinished: readonly BegunRequest[];
  #file: AppendFile | undefined;
  #nextNumber: number;
  #waiting: Waiting[] = [];
  #backlog: EncodedLine[] = [];
  #work: Promise<void> | undefined;
  #sync: Disposable | undefined;

  private constructor(options: RequestJournalOptions, found: Found) {
    this.#options = options;
    this.#index = found.index;
    this.#segments = found.segments;
    this.#nextNumber = found.nextNumber;
    this.unfinished = found.index.unfinished.filter((begun) => begun.beganAtMs >= options.clock.wallMs() - options.ageMs);
  }

  /** Reads what is there; what a crash left of a last line is cut off at the next write. CHECKPOINT_FAILED when the directory can't be used. */
  static async open(options: RequestJournalOptions): Promise<FileRequestJournal> {
    try {
      await options.files.makeDirectory(options.directory);
      return new FileRequestJournal(options, await survey(options));
    } catch (error) {
      throw checkpointFailure(error, `the requests in ${options.directory} can't be read`);
    }
  }

  find(id: string): KeptRequest | undefined {
    const kept = this.#index.find(id);
    return kept === undefined || kept.begun.beganAtMs < this.#oldestMs() ? undefined : kept;
  }

  async outcome(id: string): Promise<RequestOutcome> {
    const outcome = this.#index.outcome(id);
    if (outcome === undefined) throw new DomainError('INTERNAL', `request ${id} has no outcome`);
    if (!('segment' in outcome)) return outcome;
    try {
      return await this.#read(outcome);
    } catch (error) {
      throw checkpointFailure(error, `what request ${id} was answered can't be read`);
    }
  }

  async begin(begun: BegunRequest): Promise<void> {
    this.#index.expire(this.#oldestMs(), EXPIRED_AT_A_TIME);
    this.#index.set(begun, undefined);
    await this.#append(encodeBegun(begun));
  }

  async finish(begun: BegunRequest, outcome: RequestOutcome): Promise<void> {
    this.#index.set(begun, outcome);
    await this.#appendOrLater(encodeEnded(begun, outcome));
  }

  async forget(id: string): Promise<void> {
    this.#index.forget(id);
    await this.#appendOrLater(encodeForgotten(id));
  }

  /** After the last call. All that was written is on the disk when it resolves. */
  async close(): Promise<void> {
    await this.#work;
    this.#sync?.[Symbol.dispose]();
    await this.#file?.sync();
    await this.#file?.close();
    this.#file = undefined;
  }

  #oldestMs(): number {
    return this.#options.clock.wallMs() - this.#options.ageMs;
  }

  async #read({ segment, at, length, kind, bytes }: OutcomePlace): Promise<RequestOutcome> {
    const base64 = await this.#options.files.readRange(segment.path, at, length);
    if (base64 === undefined) throw new ShapeError('', 'its file is gone');
    return decodeOutcome(kind, bytes, base64);
  }

  async #append(line: EncodedLine): Promise<void> {
    const done = deferred<undefined>();
    this.#waiting.push({ line, done });
    this.#work ??= this.#write();
    await done.promise;
  }

  async #appendOrLater(line: EncodedLine): Promise<void> {
    try {
      await this.#append(line);
    } catch (error) {
      this.#options.logger.warn({ error }, 'a request is remembered in memory only, until its journal can be written');
    }
  }

  /** All that wait, in one write; again while more have come. */
  async #write(): Promise<void> {
    // Appends of the same turn go together.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0);
      const lines = [...this.#backlog, ...batch.map(({ line }) => line)];
      try {
        await this.#writeLines(lines);
        this.#backlog = [];
        for (const { done } of batch) done.resolve(undefined);
      } catch (error) {
        this.#backlog = lines.slice(-BACKLOG);
        const failure = checkpointFailure(error, 'the request journal was not written');
        for (const { done } of batch) done.reject(failure);
      }
    }
    this.#work = undefined;
  }

  async #writeLines(lines: readonly EncodedLine[]): Promise<void> {
    const { segment, file } = await this.#writable();
    try {
      await file.append(Buffer.concat(lines.map(({ bytes }) => bytes)));
    } catch (error) {
      await file.truncate(segment.size);
      throw error;
    }
    for (const line of lines) {
      this.#index.placed(line, segment, segment.size);
      segment.size += line.bytes.length;
    }
    this.#syncLater(file);
  }

  #syncLater(file: AppendFile): void {
    this.#sync ??= this.#options.clock.timer(SYNC_MS, () => {
      this.#sync = undefined;
      if (this.#file !== file) return;
      file.sync().catch((error: unknown) => { this.#options.logger.warn({ error }, 'the request journal is not on the disk yet'); });
    });
  }

  /** The file that takes the next lines. */
  async #writable(): Promise<{ segment: RequestSegment; file: AppendFile }> {
    const current = this.#segments.at(-1);
    const follows = current !== undefined && current.size < this.#segmentBytes() && current.lines < this.#segmentLines();
    if (follows && this.#file !== undefined) return { segment: current, file: this.#file };
    const segment = follows ? current : newSegment(this.#options.directory, this.#nextNumber);
    const file = await this.#openAt(segment);
    await this.#file?.sync();
    await this.#file?.close();
    this.#file = file;
    if (!follows) {
      this.#segments.push(segment);
      this.#nextNumber = segment.number + 1;
      await this.#compact(segment, file);
    }
    return { segment, file };
  }

  /** Opened behind its last whole line. */
  async #openAt(segment: RequestSegment): Promise<AppendFile> {
    const file = await this.#options.files.openAppend(segment.path);
    try {
      if (file.size > segment.size) await file.truncate(segment.size);
      if (segment.size === 0) {
        await file.append(SEGMENT_HEADER);
        segment.size = SEGMENT_HEADER.length;
      }
      return file;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Removes files from the oldest on while those after it hold enough; what is open in one moves to the newest first. */
  async #compact(newest: RequestSegment, file: AppendFile): Promise<void> {
    for (let oldest = this.#segments[0]; oldest !== undefined && oldest !== newest && this.#mayGo(oldest); oldest = this.#segments[0]) {
      for (const begun of this.#index.openIn(oldest)) {
        const line = encodeBegun(begun);
        await file.append(line.bytes);
        this.#index.placed(line, newest, newest.size);
        newest.size += line.bytes.length;
      }
      await this.#options.files.remove(oldest.path);
      this.#index.drop(oldest);
      this.#segments.shift();
    }
  }

  #mayGo(oldest: RequestSegment): boolean {
    const others = this.#segments.slice(1);
    const live = others.reduce((sum, segment) => sum + segment.live, 0);
    const bytes = others.reduce((sum, segment) => sum + segment.size, oldest.size);
    return live >= this.#options.kept || bytes > this.#segmentBytes() * (SEGMENTS - 1) || oldest.youngestMs < this.#oldestMs();
  }

  #segmentBytes(): number {
    return this.#options.segmentBytes ?? SEGMENT_BYTES;
  }

  /** Two lines a request: when it began, and how it ended. */
  #segmentLines(): number {
    return 2 * Math.ceil(this.#options.kept / (SEGMENTS - 1));
  }
}

interface Found {
  readonly index: KeptRequests;
  readonly segments: RequestSegment[];
  readonly nextNumber: number;
}

function newSegment(directory: string, number: number): RequestSegment {
  return { number, path: join(directory, requestSegmentName(number)), size: 0, lines: 0, live: 0, youngestMs: 0 };
}

/** The files that are there. One of another version, or one that can't be read, is left alone and named in the log. */
async function survey({ files, directory, logger }: RequestJournalOptions): Promise<Found> {
  const index = new KeptRequests();
  const segments: RequestSegment[] = [];
  let nextNumber = 1;
  for (const name of await files.list(directory)) {
    const number = requestSegmentNumber(name);
    if (number === undefined) continue;
    nextNumber = number + 1;
    const segment = newSegment(directory, number);
    const bytes = await files.read(segment.path, LARGEST_SEGMENT).catch((error: unknown) => {
      unreadable(logger, segment.path, toDomainError(error).message);
      return undefined;
    });
    if (bytes === undefined) continue;
    const parsed = parseRequests(bytes);
    if (parsed === undefined) {
      unreadable(logger, segment.path, 'another version wrote it');
      continue;
    }
    for (const line of parsed.lines) index.found(line, segment, line.at);
    if (parsed.unreadable > 0) logger.warn({ file: segment.path, lines: parsed.unreadable }, 'requests that a crash of the host has spoiled are not remembered');
    segment.size = parsed.size;
    segments.push(segment);
  }
  return { index, segments, nextNumber };
}

function unreadable(logger: Logger, file: string, problem: string): void {
  logger.error({ file, problem }, 'requests of an earlier daemon can\'t be read; sent again, they are carried out again');
}
