import { UsageError } from '../cli-error.ts';

/** @throws {UsageError} unless the text is a decimal number above 0 */
export function parsePositive(text: string, what: string): number {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (!(value > 0)) throw new UsageError(`${what}: "${text}" is no number above 0`);
  return value;
}

/** @throws {UsageError} unless the text is a whole number, 0 or more */
export function parseCount(text: string, what: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new UsageError(`${what}: "${text}" is no whole number`);
  return Number(text);
}
