import { decodeEvent } from './event-codec.ts';
import type { StoredEvent } from '../core/ports/stores.ts';

const NEWLINE = 0x0a;
const NAME = /^(\d{20})\.jsonl$/;

/** One file of the journal: events with numbers that follow on each other. */
export interface JournalSegment {
  readonly name: string;
  readonly first: bigint;
  /** Where each event's line begins in the file. */
  readonly starts: readonly number[];
  /** Where the next line goes. */
  readonly size: number;
}

export function journalSegmentName(first: bigint): string {
  return `${String(first).padStart(20, '0')}.jsonl`;
}

/** The first number of a segment by its name; undefined for another file. */
export function firstOf(name: string): bigint | undefined {
  const digits = NAME.exec(name)?.[1];
  return digits === undefined ? undefined : BigInt(digits);
}

/** The number behind the segment's last event. */
export function nextOf(segment: JournalSegment): bigint {
  return segment.first + BigInt(segment.starts.length);
}

/** The event of a line, if it is one and has that number. */
function eventAt(line: string, sequence: bigint): StoredEvent | undefined {
  try {
    const stored = decodeEvent(line);
    return stored.sequence === sequence ? stored : undefined;
  } catch (error) {
    // Torn by a crash, or written by somebody else: the caller keeps what comes before it.
    if (error instanceof Error) return undefined;
    throw error;
  }
}

export interface ParsedSegment {
  readonly events: readonly StoredEvent[];
  readonly starts: readonly number[];
  /** Bytes up to the first line that is no event. */
  readonly size: number;
  /** There is such a line, and not just an unfinished one at the end. */
  readonly corrupt: boolean;
}

/** The events of a segment's bytes, up to the first line that is none. */
export function parseSegment(bytes: Uint8Array, first: bigint): ParsedSegment {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const events: StoredEvent[] = [];
  const starts: number[] = [];
  let start = 0;
  for (let end = buffer.indexOf(NEWLINE); end >= 0; end = buffer.indexOf(NEWLINE, start)) {
    const stored = eventAt(buffer.toString('utf8', start, end), first + BigInt(events.length));
    if (stored === undefined) break;
    events.push(stored);
    starts.push(start);
    start = end + 1;
  }
  return { events, starts, size: start, corrupt: buffer.indexOf(NEWLINE, start) >= 0 };
}
