import { isJsonObject, JsonDocumentError } from '../json-document.ts';
import type { JsonObject } from '../json-document.ts';

const DIGEST = /^sha256:[0-9a-f]{64}$/;

/** The value of a key of a JSON object, checked; JsonDocumentError names the key. An absent key and null are the same. */
export function textIn(document: JsonObject, key: string, fallback?: string): string {
  const value = document[key] ?? fallback;
  if (typeof value !== 'string') throw new JsonDocumentError(`"${key}" is no string`);
  return value;
}

export function flagIn(document: JsonObject, key: string): boolean {
  const value = document[key] ?? false;
  if (typeof value !== 'boolean') throw new JsonDocumentError(`"${key}" is neither true nor false`);
  return value;
}

/** A whole number that is not negative. */
export function countIn(document: JsonObject, key: string): number {
  const value = document[key] ?? 0;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw new JsonDocumentError(`"${key}" is no number of bytes`);
  return value;
}

export function textsIn(document: JsonObject, key: string): readonly string[] {
  const value = document[key] ?? [];
  if (!Array.isArray(value) || !value.every((item): item is string => typeof item === 'string')) throw new JsonDocumentError(`"${key}" is no list of strings`);
  return value;
}

export function objectIn(document: JsonObject, key: string): JsonObject {
  const value = document[key] ?? {};
  if (!isJsonObject(value)) throw new JsonDocumentError(`"${key}" is no object`);
  return value;
}

export function objectsIn(document: JsonObject, key: string): readonly JsonObject[] {
  const value = document[key] ?? [];
  if (!Array.isArray(value) || !value.every(isJsonObject)) throw new JsonDocumentError(`"${key}" is no list of objects`);
  return value;
}

/** An object whose values are strings. */
export function wordsIn(document: JsonObject, key: string): Readonly<Record<string, string>> {
  const value = objectIn(document, key);
  return Object.fromEntries(Object.keys(value).map((name) => [name, textIn(value, name)]));
}

/** `sha256:HEX`, since it becomes part of a path. Empty only where that is allowed. */
export function digestIn(document: JsonObject, key: string, options: { readonly empty: boolean } = { empty: false }): string {
  const value = textIn(document, key, '');
  if (DIGEST.test(value) || (options.empty && value === '')) return value;
  throw new JsonDocumentError(`"${key}" is no SHA-256 digest`);
}
