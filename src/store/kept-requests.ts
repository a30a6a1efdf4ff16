import type { BegunRequest, KeptRequest, RequestOutcome } from '../core/ports/stores.ts';
import type { EncodedLine, RequestHead } from './request-line.ts';

/** One file of the journal. */
export interface RequestSegment {
  readonly number: number;
  readonly path: string;
  size: number;
  lines: number;
  /** Requests whose last line is in it. */
  live: number;
  /** When the youngest of its requests began. */
  youngestMs: number;
}

/** Where an outcome can be read. */
export interface OutcomePlace {
  readonly segment: RequestSegment;
  readonly kind: 'reply' | 'error';
  readonly bytes: number;
  readonly at: number;
  readonly length: number;
}

interface Indexed {
  readonly begun: BegunRequest;
  /** Where its last line is; undefined until that is written. */
  readonly segment: RequestSegment | undefined;
  /** Undefined: it has not ended, as far as is known. */
  readonly outcome: OutcomePlace | RequestOutcome | undefined;
}

/** What the journal's files hold, without the outcomes. In the order of last change. */
export class KeptRequests {
  readonly #entries = new Map<string, Indexed>();

  find(id: string): KeptRequest | undefined {
    const entry = this.#entries.get(id);
    return entry === undefined ? undefined : { begun: entry.begun, ended: entry.outcome !== undefined };
  }

  outcome(id: string): OutcomePlace | RequestOutcome | undefined {
    return this.#entries.get(id)?.outcome;
  }

  get unfinished(): readonly BegunRequest[] {
    return [...this.#entries.values()].filter((entry) => entry.outcome === undefined).map((entry) => entry.begun);
  }

  /** Known from now on, whether or not a file has it. */
  set(begun: BegunRequest, outcome: RequestOutcome | undefined): void {
    this.#replace(begun.id, { begun, segment: undefined, outcome });
  }

  forget(id: string): void {
    this.#replace(id, undefined);
  }

  /** A line of it is in a file: that is where it lives now, and its outcome leaves the memory. */
  placed(line: Omit<EncodedLine, 'bytes'>, segment: RequestSegment, at: number): void {
    segment.lines += 1;
    const { head } = line;
    if (head.kind === 'forgotten') return;
    segment.youngestMs = Math.max(segment.youngestMs, head.beganAtMs);
    const entry = this.#entries.get(head.id);
    // It has been forgotten, or has ended, since the line was made: the line that says so is on its way.
    if (entry === undefined || entry.begun.beganAtMs !== head.beganAtMs || (head.kind === 'begun') !== (entry.outcome === undefined)) return;
    this.#replace(head.id, { begun: entry.begun, segment, outcome: placeOf(line, segment, at) });
  }

  /** A line that was found when the files were read, in the order in which they were written. */
  found(line: Omit<EncodedLine, 'bytes'>, segment: RequestSegment, at: number): void {
    const { head } = line;
    segment.lines += 1;
    if (head.kind === 'forgotten') {
      this.forget(head.id);
      return;
    }
    segment.youngestMs = Math.max(segment.youngestMs, head.beganAtMs);
    this.#replace(head.id, { begun: begunOf(head), segment, outcome: placeOf(line, segment, at) });
  }

  /** Those that began and did not end, whose last line is in that file. */
  openIn(segment: RequestSegment): readonly BegunRequest[] {
    return [...this.#entries.values()].filter((entry) => entry.segment === segment && entry.outcome === undefined).map((entry) => entry.begun);
  }

  /** The file goes, and with it all whose last line is in it. */
  drop(segment: RequestSegment): void {
    for (const [id, entry] of this.#entries) {
      if (entry.segment === segment) this.#entries.delete(id);
    }
  }

  /** Takes out those that began before then, from the one that was changed longest ago on; at most so many at a time. */
  expire(beforeMs: number, most: number): void {
    let looked = 0;
    for (const [id, entry] of this.#entries) {
      looked += 1;
      if (entry.begun.beganAtMs >= beforeMs || looked > most) return;
      this.#replace(id, undefined);
    }
  }

  #replace(id: string, entry: Indexed | undefined): void {
    const before = this.#entries.get(id)?.segment;
    if (before !== undefined) before.live -= 1;
    this.#entries.delete(id);
    if (entry === undefined) return;
    if (entry.segment !== undefined) entry.segment.live += 1;
    this.#entries.set(id, entry);
  }
}

function begunOf({ id, method, digest, beganAtMs, subject }: Exclude<RequestHead, { readonly kind: 'forgotten' }>): BegunRequest {
  return { id, method, digest, beganAtMs, subject };
}

function placeOf({ head, outcomeAt, outcomeLength }: Omit<EncodedLine, 'bytes'>, segment: RequestSegment, at: number): OutcomePlace | undefined {
  if (head.kind !== 'reply' && head.kind !== 'error') return undefined;
  return { segment, kind: head.kind, bytes: head.bytes, at: at + outcomeAt, length: outcomeLength };
}
