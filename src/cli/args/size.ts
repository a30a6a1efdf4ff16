import { UsageError } from '../cli-error.ts';

const factors: Readonly<Record<string, bigint>> = { '': 1n, b: 1n, k: 1n << 10n, m: 1n << 20n, g: 1n << 30n, t: 1n << 40n };

/**
 * Reads a size as other container tools do: `512m`, `1g`, `1.5GiB`, `64MB`, `1048576`; every unit is a power of 1024.
 * @returns bytes
 * @throws {UsageError}
 */
export function parseSize(text: string, what: string): bigint {
  const match = /^(\d+)(?:\.(\d+))?\s*([bkmgt]?)(?:i?b)?$/i.exec(text.trim());
  if (match === null) throw new UsageError(`${what}: "${text}" is no size`, 'write it as 512m, 1.5g or a number of bytes');
  const [, whole = '0', fraction = '', unit = ''] = match;
  const factor = factors[unit.toLowerCase()] ?? 1n;
  const part = fraction === '' ? 0n : (BigInt(fraction) * factor) / 10n ** BigInt(fraction.length);
  return BigInt(whole) * factor + part;
}
