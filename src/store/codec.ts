/** A value that was read does not have the expected shape; the message starts with its path. */
export class ShapeError extends Error {
  override readonly name = 'ShapeError';

  constructor(path: string, problem: string) {
    super(`${path === '' ? 'record' : path}: ${problem}`);
  }
}

/** JSON, both ways. `decode` checks everything and throws ShapeError; what it gives is frozen. `undefined` is an absent key. */
export interface Codec<T> {
  encode(value: T): unknown;
  decode(json: unknown, path: string): T;
}

function kindOf(json: unknown): string {
  if (json === undefined) return 'missing';
  if (json === null) return 'null';
  return Array.isArray(json) ? 'a list' : typeof json === 'object' ? 'an object' : `${typeof json} ${JSON.stringify(json).slice(0, 60)}`;
}

function isObject(json: unknown): json is Readonly<Record<string, unknown>> {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}

function plain<T>(kind: string, accepts: (json: unknown) => json is T): Codec<T> {
  return {
    encode: (value) => value,
    decode(json, path) {
      if (!accepts(json)) throw new ShapeError(path, `expected ${kind}, found ${kindOf(json)}`);
      return json;
    },
  };
}

export const text: Codec<string> = plain('a string', (json): json is string => typeof json === 'string');
export const flag: Codec<boolean> = plain('true or false', (json): json is boolean => typeof json === 'boolean');
/** Any finite number: JSON has no others. */
export const number: Codec<number> = plain('a number', (json): json is number => typeof json === 'number' && Number.isFinite(json));

/** A bigint as a string of decimal digits, so that no reader rounds it. */
export const big: Codec<bigint> = {
  encode: (value) => value.toString(10),
  decode(json, path) {
    if (typeof json !== 'string' || !/^-?\d{1,40}$/.test(json)) throw new ShapeError(path, `expected a string of digits, found ${kindOf(json)}`);
    return BigInt(json);
  },
};

/** One of a closed list of strings. The list has to be the whole union: a forgotten member does not compile. */
export function oneOf<T extends string>(members: Readonly<Record<T, true>>): Codec<T> {
  const isMember = (json: unknown): json is T => typeof json === 'string' && Object.hasOwn(members, json);
  return plain(`one of ${Object.keys(members).join(', ')}`, isMember);
}

export function maybe<T>(codec: Codec<T>): Codec<T | undefined> {
  return {
    encode: (value) => (value === undefined ? undefined : codec.encode(value)),
    decode: (json, path) => (json === undefined ? undefined : codec.decode(json, path)),
  };
}

/** A key that a record of an earlier day lacks. */
export function orElse<T>(codec: Codec<T>, fallback: T): Codec<T> {
  return {
    encode: (value) => codec.encode(value),
    decode: (json, path) => (json === undefined ? fallback : codec.decode(json, path)),
  };
}

export function list<T>(item: Codec<T>): Codec<readonly T[]> {
  return {
    encode: (values) => values.map((value) => item.encode(value)),
    decode(json, path) {
      if (!Array.isArray(json)) throw new ShapeError(path, `expected a list, found ${kindOf(json)}`);
      return Object.freeze(json.map((value, index) => item.decode(value, `${path}[${index}]`)));
    },
  };
}

/** An object with any keys. */
export function dictionary<T>(value: Codec<T>): Codec<Readonly<Record<string, T>>> {
  return {
    encode: (values) => Object.fromEntries(Object.entries(values).map(([key, found]) => [key, value.encode(found)])),
    decode(json, path) {
      if (!isObject(json)) throw new ShapeError(path, `expected an object, found ${kindOf(json)}`);
      return Object.freeze(Object.fromEntries(Object.entries(json).map(([key, found]) => [key, value.decode(found, `${path}["${key}"]`)])));
    },
  };
}

export type Shape<T> = { readonly [Key in keyof T]-?: Codec<T[Key]> };

/** An object with exactly these keys: an unknown one is an error, since dropping it at the next write would lose it. */
export function object<T extends object>(shape: Shape<T>): Codec<T> {
  const entries = Object.entries(shape) as readonly [string, Codec<unknown>][];
  const known = new Set(entries.map(([key]) => key));
  return {
    encode: (value) => Object.fromEntries(entries.map(([key, codec]) => [key, codec.encode((value as Record<string, unknown>)[key])])),
    decode(json, path) {
      if (!isObject(json)) throw new ShapeError(path, `expected an object, found ${kindOf(json)}`);
      const stranger = Object.keys(json).find((key) => !known.has(key));
      if (stranger !== undefined) throw new ShapeError(path, `unknown key "${stranger}"`);
      const at = (key: string): string => (path === '' ? key : `${path}.${key}`);
      const decoded: Record<string, unknown> = {};
      for (const [key, codec] of entries) {
        const value = codec.decode(json[key], at(key));
        if (value !== undefined) decoded[key] = value;
      }
      return Object.freeze(decoded) as T;
    },
  };
}

/** A union of objects told apart by their `kind`. */
export function byKind<T extends { readonly kind: string }>(codecs: { readonly [Kind in T['kind']]: Codec<Extract<T, { readonly kind: Kind }>> }): Codec<T> {
  const table = codecs as unknown as Readonly<Record<string, Codec<T>>>;
  return {
    encode: (value) => table[value.kind]?.encode(value),
    decode(json, path) {
      const kind = isObject(json) ? json['kind'] : undefined;
      const codec = typeof kind === 'string' && Object.hasOwn(table, kind) ? table[kind] : undefined;
      if (codec === undefined) throw new ShapeError(path, `expected an object with a kind of ${Object.keys(table).join(', ')}, found ${kindOf(isObject(json) ? kind : json)}`);
      return codec.decode(json, path);
    },
  };
}
