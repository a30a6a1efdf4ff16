import { ShapeError } from './codec.ts';
import { decodeLine } from './request-line.ts';
import type { EncodedLine } from './request-line.ts';

const NEWLINE = 0x0a;
const NAME = /^(\d{10})\.requests$/;
const FORMAT = 'vivarium.requests';
const VERSION = 1;
/** The first line of every file. */
export const SEGMENT_HEADER = Buffer.from(`${JSON.stringify({ format: FORMAT, version: VERSION })}\n`);

export function requestSegmentName(number: number): string {
  return `${String(number).padStart(10, '0')}.requests`;
}

/** Undefined for a file that is none of ours. */
export function requestSegmentNumber(name: string): number | undefined {
  const digits = NAME.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

export interface ParsedRequests {
  /** `at`: where the line begins in the file. */
  readonly lines: readonly (Omit<EncodedLine, 'bytes'> & { readonly at: number })[];
  /** Bytes up to the end of the last whole line. */
  readonly size: number;
  /** Whole lines that can't be read. */
  readonly unreadable: number;
}

/** Undefined for a file that another version wrote: it is left as it is. A file without a whole first line has nothing in it yet. */
export function parseRequests(bytes: Uint8Array): ParsedRequests | undefined {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const first = buffer.indexOf(NEWLINE);
  if (first < 0) return { lines: [], size: 0, unreadable: 0 };
  if (!buffer.subarray(0, first + 1).equals(SEGMENT_HEADER)) return undefined;
  const lines: (Omit<EncodedLine, 'bytes'> & { readonly at: number })[] = [];
  let unreadable = 0;
  let start = first + 1;
  for (let end = buffer.indexOf(NEWLINE, start); end >= 0; end = buffer.indexOf(NEWLINE, start)) {
    const line = tryLine(buffer.subarray(start, end));
    if (line === undefined) unreadable += 1;
    else lines.push({ ...line, at: start });
    start = end + 1;
  }
  return { lines, size: start, unreadable };
}

/** Lines stand for themselves: one that a crash of the host has spoiled takes no other with it. */
function tryLine(line: Buffer): Omit<EncodedLine, 'bytes'> | undefined {
  try {
    return decodeLine(line);
  } catch (error) {
    if (error instanceof ShapeError || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
