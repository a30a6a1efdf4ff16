import type { ImageConfig } from '../core/ports/storage.ts';
import { isJsonObject, JsonDocumentError, parseJsonObject } from './json-document.ts';
import type { JsonObject } from './json-document.ts';

function text(document: JsonObject, key: string, fallback: string): string {
  const value = document[key];
  if (value === undefined || value === null) return fallback;
  if (typeof value !== 'string') throw new JsonDocumentError(`"${key}" is no string`);
  return value;
}

function texts(document: JsonObject, key: string): readonly string[] {
  const value = document[key];
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value) || !value.every((item): item is string => typeof item === 'string')) throw new JsonDocumentError(`"${key}" is no list of strings`);
  return value;
}

function size(document: JsonObject): number {
  const value = document['sizeBytes'] ?? 0;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw new JsonDocumentError('"sizeBytes" is no number of bytes');
  return value;
}

/** A text, or the facts of the package that the image was made of. */
function source(document: JsonObject): string {
  const value = document['source'];
  if (!isJsonObject(value)) return text(document, 'source', '');
  return Object.values(value).filter((part) => typeof part === 'string').join(' ');
}

/** The key that is there: image builders and OCI tools spell two of them differently. */
function spelled(document: JsonObject, names: readonly [string, string]): string {
  return document[names[0]] === undefined ? names[1] : names[0];
}

/** An image.json. Unknown keys are left to those who know them. Throws JsonDocumentError. */
export function parseImageConfig(json: string, place: { readonly name: string; readonly rootfs: string }): ImageConfig {
  const document = parseJsonObject(json);
  return {
    name: place.name,
    digest: text(document, 'digest', ''),
    lowers: [place.rootfs],
    entrypoint: texts(document, 'entrypoint'),
    command: texts(document, spelled(document, ['cmd', 'command'])),
    env: texts(document, 'env'),
    workingDir: text(document, spelled(document, ['workdir', 'workingDir']), '/') || '/',
    user: text(document, 'user', ''),
    stopSignal: text(document, 'stopSignal', ''),
    volumes: [],
    sizeBytes: size(document),
    source: source(document),
    pulled: undefined,
  };
}
