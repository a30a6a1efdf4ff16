import { digits, median, p95 } from './stats.ts';

/** One row of the table. */
export interface Figure {
  readonly name: string;
  readonly target: string;
  /** Undefined: not measured, and `note` says why. */
  readonly median: number | undefined;
  readonly p95: number | undefined;
  readonly unit: string;
  readonly reached: boolean | undefined;
  /** What was set against what. */
  readonly note: string;
}

/** What a section of the bench brings home. */
export interface Outcome {
  readonly figures: readonly Figure[];
  /** Raw samples by name; the name ends with the unit. */
  readonly samples: Readonly<Record<string, readonly number[]>>;
  /** Facts that are not samples. */
  readonly facts?: Readonly<Record<string, string | number>>;
}

export interface SectionContext {
  /** Aborted at the section's deadline or by Ctrl-C. */
  readonly signal: AbortSignal;
  /** Divides the number of rounds, for a dry run; 1 for a real one. */
  readonly rounds: (full: number) => number;
  /** A dry run: to see that it works. */
  readonly quick: boolean;
  readonly say: (line: string) => void;
}

export interface Section {
  readonly name: string;
  readonly limitMs: number;
  /** So long that it runs only when it is named. */
  readonly onlyWhenNamed?: true;
  readonly run: (context: SectionContext) => Promise<Outcome>;
  /** Rows that say so when the section could not be measured. */
  readonly rows: readonly { readonly name: string; readonly target: string }[];
}

interface Claim {
  readonly name: string;
  readonly target: string;
  readonly note: string;
  readonly atMost?: number;
  readonly atLeast?: number;
}

/** Samples against their bare limit in the same run. The p95 is that of the samples, over the median of the limit. */
export function ratioFigure(claim: Claim, samples: readonly number[], limit: readonly number[]): Figure {
  const bare = median(limit);
  return judged(claim, '×', median(samples) / bare, p95(samples) / bare);
}

export function plainFigure(claim: Claim, unit: string, samples: readonly number[]): Figure {
  return judged(claim, unit, median(samples), p95(samples));
}

export function judged(claim: Claim, unit: string, value: number, high: number | undefined): Figure {
  const { atMost = Infinity, atLeast = -Infinity } = claim;
  return { name: claim.name, target: claim.target, median: value, p95: high, unit, reached: value <= atMost && value >= atLeast, note: claim.note };
}

export function notMeasured(row: { readonly name: string; readonly target: string }, why: string): Figure {
  return { name: row.name, target: row.target, median: undefined, p95: undefined, unit: '', reached: undefined, note: why };
}

export function against(samples: readonly number[], limit: readonly number[], unit: string): string {
  return `${digits(median(samples))} against ${digits(median(limit))} ${unit}`;
}
