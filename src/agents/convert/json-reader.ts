import type { FieldViolation } from '../../core/model/errors.ts';
import { invalidRequest } from '../../core/model/errors.ts';

const MAX_U64 = (1n << 64n) - 1n;
const MAX_I64 = (1n << 63n) - 1n;
const MIN_I64 = -(1n << 63n);
const MAX_U32 = 0xffff_ffff;

/**
 * Reads a JSON-shaped value field by field. What is missing reads as the message's zero value; what has the wrong type is a violation, and all
 * of them are told at once by `finish`.
 */
export class JsonReader {
  readonly #value: unknown;
  readonly #path: string;
  readonly #violations: FieldViolation[];

  constructor(value: unknown, path: string, violations: FieldViolation[] = []) {
    this.#value = value;
    this.#path = path;
    this.#violations = violations;
  }

  /** Throws INVALID_REQUEST when any field below was wrong. */
  finish(): void {
    if (this.#violations.length > 0) throw invalidRequest(this.#violations);
  }

  get path(): string {
    return this.#path;
  }

  reject(description: string): void {
    this.#violations.push({ field: this.#path, description });
  }

  /** The field of an object, present or not. */
  at(key: string): JsonReader {
    const fields = this.#fields();
    const path = this.#path === '' ? key : `${this.#path}.${key}`;
    return new JsonReader(fields?.[key], path, this.#violations);
  }

  get present(): boolean {
    return this.#value !== undefined && this.#value !== null;
  }

  /** What `read` makes of it, or undefined when it is not there. */
  maybe<T>(read: (reader: JsonReader) => T): T | undefined {
    return this.present ? read(this) : undefined;
  }

  text(): string {
    return this.#typed('string', 'a string', '');
  }

  flag(): boolean {
    return this.#typed('boolean', 'true or false', false);
  }

  /** A number of 32 bits without sign. */
  u32(): number {
    const value = this.#whole();
    if (value >= 0n && value <= BigInt(MAX_U32)) return Number(value);
    this.reject(`must be 0 to ${MAX_U32}`);
    return 0;
  }

  /** JSON numbers beyond 2^53 come rounded: what is rounded over the edge (RLIM_INFINITY) means the edge. */
  u64(): bigint {
    const value = this.#whole();
    if (value < 0n) this.reject('must not be negative');
    return value > MAX_U64 ? MAX_U64 : value < 0n ? 0n : value;
  }

  i64(): bigint {
    const value = this.#whole();
    return value > MAX_I64 ? MAX_I64 : value < MIN_I64 ? MIN_I64 : value;
  }

  list<T>(read: (reader: JsonReader) => T): T[] {
    if (!this.present) return [];
    if (!Array.isArray(this.#value)) {
      this.reject('must be a list');
      return [];
    }
    return this.#value.map((item: unknown, index) => read(new JsonReader(item, `${this.#path}[${index}]`, this.#violations)));
  }

  texts(): string[] {
    return this.list((item) => item.text());
  }

  /** An object of strings. */
  textMap(): Record<string, string> {
    const fields = this.#fields();
    if (fields === undefined) return {};
    return Object.fromEntries(Object.keys(fields).map((key) => [key, this.at(key).text()]));
  }

  #fields(): Readonly<Record<string, unknown>> | undefined {
    if (!this.present) return undefined;
    if (typeof this.#value === 'object' && !Array.isArray(this.#value)) return this.#value as Readonly<Record<string, unknown>>;
    this.reject('must be an object');
    return undefined;
  }

  #typed<T extends string | boolean>(type: 'string' | 'boolean', words: string, zero: T): T {
    if (!this.present) return zero;
    if (typeof this.#value === type) return this.#value as T;
    this.reject(`must be ${words}`);
    return zero;
  }

  #whole(): bigint {
    if (!this.present) return 0n;
    if (typeof this.#value === 'bigint') return this.#value;
    if (typeof this.#value === 'number' && Number.isInteger(this.#value)) return BigInt(this.#value);
    this.reject('must be a whole number');
    return 0n;
  }
}
