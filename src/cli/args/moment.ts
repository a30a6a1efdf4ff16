import { UsageError } from '../cli-error.ts';
import { parseDurationMs } from './duration.ts';

/**
 * Reads a moment: an RFC 3339 time, seconds since 1970, or how long ago it was (`10m`).
 * @throws {UsageError}
 */
export function parseMoment(text: string, what: string, now: Date): Date {
  if (/^\d{9,}(\.\d+)?$/.test(text)) return new Date(Number(text) * 1000);
  if (/^\d{4}-\d{2}-\d{2}/.test(text)) {
    const moment = new Date(text);
    if (!Number.isNaN(moment.getTime())) return moment;
    throw new UsageError(`${what}: "${text}" is no time`, 'write it as 2026-01-31T12:00:00Z or 10m');
  }
  return new Date(now.getTime() - parseDurationMs(text, what));
}
