import { isJsonObject } from '../json-document.ts';
import type { JsonObject } from '../json-document.ts';
import type { Violations } from './violations.ts';

/** Reads values out of a config.json and notes each that is of the wrong kind, under its own path in that file. */
export class BundleFields {
  readonly #object: JsonObject;
  readonly #path: string;
  readonly #violations: Violations;

  constructor(object: JsonObject, path: string, violations: Violations) {
    this.#object = object;
    this.#path = path;
    this.#violations = violations;
  }

  has(key: string): boolean {
    return this.#object[key] !== undefined && this.#object[key] !== null;
  }

  /** An object, or an empty one. */
  object(key: string): BundleFields {
    return new BundleFields(this.raw(key) ?? {}, this.#at(key), this.#violations);
  }

  raw(key: string): JsonObject | undefined {
    return this.#value(key, isJsonObject, 'an object');
  }

  string(key: string, fallback = ''): string {
    return this.#value(key, (value): value is string => typeof value === 'string', 'a string') ?? fallback;
  }

  boolean(key: string): boolean {
    return this.#value(key, (value): value is boolean => typeof value === 'boolean', 'true or false') ?? false;
  }

  /** A whole number that JSON holds exactly. */
  integer(key: string): number | undefined {
    return this.#value(key, (value): value is number => Number.isSafeInteger(value), 'a whole number');
  }

  /** A number of up to 64 bits. JSON rounds the largest: everything beyond is 2^64 - 1, which means "no limit". */
  unsigned64(key: string): bigint {
    const value = this.#value(key, (found): found is number => typeof found === 'number' && found >= 0 && Math.floor(found) === found, 'a number of 0 or more') ?? 0;
    const largest = (1n << 64n) - 1n;
    return value >= 2 ** 64 ? largest : BigInt(value);
  }

  strings(key: string): readonly string[] {
    return this.#value(key, (value): value is string[] => Array.isArray(value) && value.every((item) => typeof item === 'string'), 'a list of strings') ?? [];
  }

  integers(key: string): readonly number[] {
    return this.#value(key, (value): value is number[] => Array.isArray(value) && value.every((item) => Number.isSafeInteger(item)), 'a list of whole numbers') ?? [];
  }

  stringMap(key: string): Readonly<Record<string, string>> {
    const isMap = (value: unknown): value is Record<string, string> => isJsonObject(value) && Object.values(value).every((item) => typeof item === 'string');
    return this.#value(key, isMap, 'an object of strings') ?? {};
  }

  objects(key: string): readonly BundleFields[] {
    const list = this.#value(key, (value): value is JsonObject[] => Array.isArray(value) && value.every(isJsonObject), 'a list of objects') ?? [];
    return list.map((item, index) => new BundleFields(item, `${this.#at(key)}[${index}]`, this.#violations));
  }

  #value<T>(key: string, accepts: (value: unknown) => value is T, kind: string): T | undefined {
    const value = this.#object[key];
    if (value === undefined || value === null) return undefined;
    if (accepts(value)) return value;
    this.#violations.add(`spec.bundle_path: ${this.#at(key)}`, `it is not ${kind}`);
    return undefined;
  }

  #at(key: string): string {
    return this.#path === '' ? key : `${this.#path}.${key}`;
  }
}
