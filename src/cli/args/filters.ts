import { UsageError } from '../cli-error.ts';
import { parseKeyValues } from './key-values.ts';

export type Filters<Key extends string> = Readonly<Record<Key, readonly string[]>>;

/**
 * Reads repeated `--filter KEY=VALUE`.
 * @throws {UsageError} for a key that this listing does not know
 */
export function parseFilters<Key extends string>(entries: readonly string[], known: readonly Key[]): Filters<Key> {
  const found = Object.fromEntries(known.map((key): [Key, string[]] => [key, []])) as Record<Key, string[]>;
  for (const entry of entries) {
    const [key, value] = Object.entries(parseKeyValues([entry], '--filter'))[0] ?? ['', ''];
    const name = known.find((candidate) => candidate === key);
    if (name === undefined) throw new UsageError(`--filter: there is no filter "${key}"`, `known are ${known.join(', ')}`);
    found[name].push(value);
  }
  return found;
}

/** Turns names as people write them (`running`) into the values of an enum whose names have a prefix. */
export function enumValues<T extends number>(names: readonly string[], values: Readonly<Record<string, T>>, prefix: string, what: string): T[] {
  return names.map((name) => {
    const value = values[`${prefix}${name.toUpperCase().replaceAll('-', '_')}`];
    if (value !== undefined) return value;
    const known = Object.keys(values).filter((key) => key.startsWith(prefix) && !key.endsWith('_UNSPECIFIED'));
    throw new UsageError(`${what}: there is no "${name}"`, `known are ${known.map((key) => key.slice(prefix.length).toLowerCase()).join(', ')}`);
  });
}
