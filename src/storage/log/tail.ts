import type { LogView } from './log-reader.ts';
import type { Segment } from './segment-name.ts';
import { SegmentScanner } from './segment-scanner.ts';

export interface TailStart {
  readonly segment: Segment;
  /** File position of the first line that belongs to the tail. */
  readonly position: number;
}

/** Up to a file position: the positions behind each whole line, and whether an unfinished line comes last. */
async function lineEnds(view: LogView, segment: Segment, limit: number): Promise<{ ends: readonly number[]; unfinished: boolean; size: number }> {
  const file = await view.openSegment(segment);
  if (file === undefined) return { ends: [], unfinished: false, size: 0 };
  try {
    const scanner = new SegmentScanner(file, segment.base);
    const ends: number[] = [];
    let [unfinished, size] = [false, 0];
    while (size < limit && (await scanner.fill())) {
      for (let line = scanner.next(); line !== undefined && scanner.position <= limit; line = scanner.next()) {
        size = scanner.position;
        if (line.kind === 'skip') continue;
        unfinished = !line.full;
        if (line.full) ends.push(size);
      }
    }
    return { ends, unfinished, size };
  } finally {
    await file.close();
  }
}

/** Where the last `count` lines of both streams together begin. Newest segment first, so that old ones are read only when they are needed. */
export async function tailStart(view: LogView, count: number): Promise<TailStart | undefined> {
  const segments = [...view.segments];
  // What is written from now on is no part of the tail.
  const limit = view.size;
  let missing = count;
  for (const [index, segment] of [...segments.entries()].reverse()) {
    const newest = index === segments.length - 1;
    const { ends, unfinished, size } = await lineEnds(view, segment, newest ? limit : Number.POSITIVE_INFINITY);
    // An unfinished line at the very end is a line to the reader.
    if (newest && unfinished) missing -= 1;
    if (missing < 0) return { segment, position: size };
    if (ends.length > missing) return { segment, position: ends[ends.length - missing - 1] ?? 0 };
    missing -= ends.length;
  }
  return segments[0] === undefined ? undefined : { segment: segments[0], position: 0 };
}
