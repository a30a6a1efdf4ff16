import type { OutputName } from '../../core/ports/logs.ts';

/*
 * The text format that the kubelet's container runtimes write (CRI): `TIME STREAM TAG BYTES\n`, TIME as RFC 3339 with nanoseconds. Tag F: the
 * bytes are the end of a line and its newline belongs to them. Tag P: they are a part of a line and the newline is the format's alone.
 * Bytes never hold a newline, so everything comes back exactly. TIME has 30 characters and both streams' names have six: each header is
 * 40 bytes long. Further tags may follow the first after a colon; `P:to=N` with no bytes says that the stream goes on at offset N.
 */
export const HEADER_BYTES = 40;
const TIME_BYTES = 30;
export const TAG_AT = 38;
/** The most bytes of one line of the file, so that a reader's memory is bounded. */
export const LARGEST_PIECE = 64 * 1024;
export const LONGEST_LINE = LARGEST_PIECE + HEADER_BYTES + 64;

export const NEWLINE = 0x0a;
export const TAG_FULL = 0x46;
export const TAG_PARTIAL = 0x50;
const COLON = 0x3a;
const SKIP_TAG = 'P:to=';

/** `2026-11-23T17:03:05.123000000Z` */
export function formatTime(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(0, 23)}000000Z`;
}

function linesOf(start: string, piece: Buffer): string {
  const lastNewline = piece.lastIndexOf(NEWLINE);
  // One replace over the whole piece: far cheaper than a copy for each line. latin1 keeps every byte as it is.
  const full = lastNewline < 0 ? '' : `${start}F ${piece.toString('latin1', 0, lastNewline).replace(/\n/g, `\n${start}F `)}\n`;
  return lastNewline === piece.length - 1 ? full : `${full}${start}P ${piece.toString('latin1', lastNewline + 1)}\n`;
}

/** The lines for some bytes of one stream. */
export function encodeBytes(stream: OutputName, atMs: number, data: Uint8Array): Buffer {
  const start = `${formatTime(atMs)} ${stream} `;
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  let text = '';
  for (let at = 0; at < bytes.length; at += LARGEST_PIECE) text += linesOf(start, bytes.subarray(at, at + LARGEST_PIECE));
  return Buffer.from(text, 'latin1');
}

/** The line that says that bytes up to `to` never came. */
export function encodeSkip(stream: OutputName, atMs: number, to: bigint): Buffer {
  return Buffer.from(`${formatTime(atMs)} ${stream} ${SKIP_TAG}${to} \n`, 'latin1');
}

export type LogLine =
  | { readonly kind: 'bytes'; readonly stream: OutputName; readonly full: boolean }
  | { readonly kind: 'skip'; readonly stream: OutputName; readonly to: bigint };

const FULL_LINES = { stdout: { kind: 'bytes', stream: 'stdout', full: true }, stderr: { kind: 'bytes', stream: 'stderr', full: true } } as const;
const PARTIAL_LINES = { stdout: { kind: 'bytes', stream: 'stdout', full: false }, stderr: { kind: 'bytes', stream: 'stderr', full: false } } as const;
const OUT = 0x6f;

/** What the line in `block` from `start` to its newline at `end` says; undefined when it is no line of ours. Its bytes begin at start + HEADER_BYTES. */
export function parseLine(block: Buffer, start: number, end: number): LogLine | undefined {
  if (end - start < HEADER_BYTES) return undefined;
  // "stdout" and "stderr" differ in their fourth letter.
  const stream: OutputName = block[start + TIME_BYTES + 4] === OUT ? 'stdout' : 'stderr';
  const tag = block[start + TAG_AT];
  const after = block[start + TAG_AT + 1];
  if (tag === TAG_FULL && after === 0x20) return FULL_LINES[stream];
  if (tag !== TAG_PARTIAL) return undefined;
  if (after === 0x20) return PARTIAL_LINES[stream];
  if (after !== COLON) return undefined;
  const to = /^P:to=(\d{1,20}) $/.exec(block.toString('latin1', start + TAG_AT, end))?.[1];
  return to === undefined ? undefined : { kind: 'skip', stream, to: BigInt(to) };
}

/** The time at the start of a line, in milliseconds since the epoch. */
export function timeOf(block: Buffer, start: number): number {
  return Date.parse(`${block.toString('latin1', start, start + 23)}Z`);
}
