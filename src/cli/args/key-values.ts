import { UsageError } from '../cli-error.ts';

/**
 * Reads repeated `KEY=VALUE` flags; a later one wins.
 * @throws {UsageError} when an entry has no key, or no `=` and `bare` is not allowed
 */
export function parseKeyValues(entries: readonly string[], what: string, options: { bare?: boolean } = {}): Record<string, string> {
  const pairs = entries.map((entry): [string, string] => {
    const at = entry.indexOf('=');
    if (at > 0) return [entry.slice(0, at), entry.slice(at + 1)];
    if (at < 0 && entry !== '' && options.bare === true) return [entry, ''];
    throw new UsageError(`${what}: "${entry}" is not KEY=VALUE`);
  });
  return Object.fromEntries(pairs);
}

/**
 * Reads repeated `-e KEY=VALUE` or `-e KEY`, which takes the value from our own environment and is left out when it has none.
 * @throws {UsageError}
 */
export function parseEnv(entries: readonly string[], own: Readonly<Record<string, string | undefined>>): string[] {
  return entries.flatMap((entry) => {
    if (entry === '' || entry.startsWith('=')) throw new UsageError(`--env: "${entry}" is not KEY=VALUE`);
    if (entry.includes('=')) return [entry];
    const value = own[entry];
    return value === undefined ? [] : [`${entry}=${value}`];
  });
}
