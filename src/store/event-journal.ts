import { join } from 'node:path';
import { deferred } from '../base/abort.ts';
import type { Deferred } from '../base/abort.ts';
import type { DomainEvent } from '../core/model/events.ts';
import type { EventJournal, StoredEvent } from '../core/ports/stores.ts';
import { encodeEvent } from './event-codec.ts';
import { decodeHead, encodeHead, HEAD_FILE } from './journal-head.ts';
import { firstOf, journalSegmentName, nextOf, parseSegment } from './journal-segment.ts';
import { checkpointFailure } from './store-errors.ts';
import type { AppendFile, StoreFiles } from './store-files.ts';

export interface JournalLimits {
  /** A segment with so many bytes or events is followed by a new one. */
  readonly segmentBytes: number;
  readonly segmentEvents: number;
  readonly segments: number;
}

export interface JournalOptions {
  readonly files: StoreFiles;
  /** `<root>/events`. */
  readonly directory: string;
  /** The host's: after another boot the end of the journal may be lost, and its numbers are not used again. */
  readonly bootId: string;
  readonly limits?: JournalLimits;
}

const DEFAULT_LIMITS: JournalLimits = { segmentBytes: 1024 * 1024, segmentEvents: 5_000, segments: 2 };
/** Numbers are reserved in blocks, one fsync each; an event itself needs none, for its record is on the disk already. */
const BLOCK = 10_000n;
/** Events that `after` gives at a time. */
const BATCH = 512;
/** Far over what the limits let a segment become. */
const LARGEST_SEGMENT = 16 * 1024 * 1024;

type Writable = { name: string; first: bigint; starts: number[]; size: number };

interface Waiting {
  readonly event: DomainEvent;
  readonly done: Deferred<StoredEvent>;
}

/** Events as lines of JSON in segments that are named by their first number. */
export class FileEventJournal implements EventJournal {
  readonly #files: StoreFiles;
  readonly #directory: string;
  readonly #bootId: string;
  readonly #limits: JournalLimits;
  readonly #segments: Writable[];
  #file: AppendFile | undefined;
  #next: bigint;
  #reserved: bigint;
  #waiting: Waiting[] = [];
  #work: Promise<void> | undefined;

  private constructor(options: JournalOptions, found: { segments: Writable[]; next: bigint; reserved: bigint }) {
    this.#files = options.files;
    this.#directory = options.directory;
    this.#bootId = options.bootId;
    this.#limits = options.limits ?? DEFAULT_LIMITS;
    this.#segments = found.segments;
    this.#next = found.next;
    this.#reserved = found.reserved;
  }

  /** Reads what is there; a torn last line is cut off at the next append. CHECKPOINT_FAILED when the head can't be read. */
  static async open(options: JournalOptions): Promise<FileEventJournal> {
    try {
      await options.files.makeDirectory(options.directory);
      return new FileEventJournal(options, await survey(options));
    } catch (error) {
      throw checkpointFailure(error, `the event journal in ${options.directory} can't be opened`);
    }
  }

  get last(): bigint {
    return this.#next - 1n;
  }

  async append(event: DomainEvent): Promise<StoredEvent> {
    const done = deferred<StoredEvent>();
    this.#waiting.push({ event, done });
    this.#work ??= this.#write();
    return await done.promise;
  }

  /** At most 512 events. `oldest` is above `sequence + 1` when numbers between the two are not kept, or were lost with the host. */
  async after(sequence: bigint): Promise<{ readonly events: readonly StoredEvent[]; readonly oldest: bigint }> {
    const segment = this.#segments.find((candidate) => nextOf(candidate) > sequence + 1n);
    if (segment === undefined) return { events: [], oldest: this.#segments[0]?.first ?? this.#next };
    const from = segment.first > sequence ? 0 : Number(sequence + 1n - segment.first);
    const oldest = segment.first > sequence + 1n ? segment.first : (this.#segments[0]?.first ?? segment.first);
    return { events: await this.#read(segment, from), oldest };
  }

  /** After the last append. Keeps the numbers exact over a restart of the host. */
  async close(): Promise<void> {
    await this.#work;
    await this.#file?.sync();
    await this.#file?.close();
    this.#file = undefined;
    await this.#reserve(this.last);
  }

  async #read(segment: Writable, from: number): Promise<readonly StoredEvent[]> {
    const start = segment.starts[from] ?? segment.size;
    const end = segment.starts[from + BATCH] ?? segment.size;
    const bytes = await this.#files.readRange(join(this.#directory, segment.name), start, end - start);
    // Rotated away meanwhile: the next call tells.
    return bytes === undefined ? [] : parseSegment(bytes, segment.first + BigInt(from)).events;
  }

  /** All that wait, in one write; again while more have come. */
  async #write(): Promise<void> {
    // Appends of the same turn go together.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, this.#limits.segmentEvents);
      try {
        const stored = await this.#writeBatch(batch.map(({ event }) => event));
        stored.forEach((event, index) => batch[index]?.done.resolve(event));
      } catch (error) {
        const failure = checkpointFailure(error, 'the event journal was not written');
        for (const { done } of batch) done.reject(failure);
      }
    }
    this.#work = undefined;
  }

  async #writeBatch(events: readonly DomainEvent[]): Promise<readonly StoredEvent[]> {
    const stored = events.map((event, index) => ({ sequence: this.#next + BigInt(index), event }));
    const following = this.#next + BigInt(events.length);
    if (following > this.#reserved) await this.#reserve(following + BLOCK);
    const { segment, file } = await this.#writable();
    const lines = stored.map(encodeEvent);
    try {
      await file.append(Buffer.from(lines.join('')));
    } catch (error) {
      await file.truncate(segment.size);
      throw error;
    }
    for (const line of lines) {
      segment.starts.push(segment.size);
      segment.size += Buffer.byteLength(line);
    }
    this.#next = following;
    return stored;
  }

  async #reserve(reserved: bigint): Promise<void> {
    await this.#files.publish(join(this.#directory, HEAD_FILE), encodeHead({ reserved, bootId: this.#bootId }));
    this.#reserved = reserved;
  }

  /** The segment that takes the next event. */
  async #writable(): Promise<{ segment: Writable; file: AppendFile }> {
    const current = this.#segments.at(-1);
    const follows = current !== undefined && nextOf(current) === this.#next && current.size < this.#limits.segmentBytes && current.starts.length < this.#limits.segmentEvents;
    if (follows && this.#file !== undefined) return { segment: current, file: this.#file };
    const segment = follows ? current : { name: journalSegmentName(this.#next), first: this.#next, starts: [], size: 0 };
    const file = await this.#files.openAppend(join(this.#directory, segment.name));
    // What a crash left of an unfinished line.
    if (file.size > segment.size) await file.truncate(segment.size);
    await this.#file?.close();
    this.#file = file;
    if (!follows) this.#segments.push(segment);
    for (const old of this.#segments.splice(0, this.#segments.length - this.#limits.segments)) await this.#files.remove(join(this.#directory, old.name));
    return { segment, file };
  }
}

/** The segments that are there, and the next number. */
async function survey(options: JournalOptions): Promise<{ segments: Writable[]; next: bigint; reserved: bigint }> {
  const { files, directory, bootId } = options;
  const segments: Writable[] = [];
  let doubtful = false;
  for (const name of await files.list(directory)) {
    const first = firstOf(name);
    const bytes = first === undefined ? undefined : await files.read(join(directory, name), LARGEST_SEGMENT);
    if (first === undefined || bytes === undefined) continue;
    const { starts, size, corrupt } = parseSegment(bytes, first);
    doubtful ||= corrupt;
    if (starts.length > 0) segments.push({ name, first, starts: [...starts], size });
  }
  const newest = segments.at(-1);
  const written: bigint = newest === undefined ? 1n : nextOf(newest);
  const headBytes = await files.read(join(directory, HEAD_FILE), 4096);
  if (headBytes === undefined) return { segments, next: written, reserved: written - 1n };
  const head = decodeHead(headBytes);
  // Within one boot what was written is there; after another one the end may be lost, so its numbers are passed over.
  doubtful ||= head.bootId !== bootId;
  const next = !doubtful || head.reserved < written ? written : head.reserved + 1n;
  return { segments, next, reserved: head.reserved };
}
