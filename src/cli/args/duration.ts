import type { Duration } from '../../gen/google/protobuf/duration.ts';
import { UsageError } from '../cli-error.ts';

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/**
 * Reads `10`, `1.5` (seconds), `250ms`, `10s`, `1h30m`, `2d`.
 * @returns milliseconds
 * @throws {UsageError} for everything else
 */
export function parseDurationMs(text: string, what: string): number {
  if (/^\d+(\.\d+)?$/.test(text)) return Math.round(Number(text) * 1000);
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) {
    throw new UsageError(`${what}: "${text}" is no duration`, 'write it as 10s, 250ms, 1h30m or a number of seconds');
  }
  let total = 0;
  for (const [, value, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) total += Number(value) * (unitMs[unit ?? ''] ?? 0);
  return Math.round(total);
}

export function durationFromMs(ms: number): Duration {
  const seconds = Math.trunc(ms / 1000);
  return { seconds: BigInt(seconds), nanos: Math.round((ms - seconds * 1000) * 1_000_000) };
}

/** @returns milliseconds, with fractions; 0 for an absent duration */
export const durationMs = (duration: Duration | undefined): number =>
  duration === undefined ? 0 : Number(duration.seconds) * 1000 + duration.nanos / 1_000_000;
