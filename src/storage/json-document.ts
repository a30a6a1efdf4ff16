/** A JSON text that can't be used; the message says where and why. */
export class JsonDocumentError extends Error {
  override readonly name = 'JsonDocumentError';
}

/** Line and column (from 1) of an offset in a text. */
function placeOf(text: string, offset: number): string {
  const before = text.slice(0, offset).split('\n');
  return `line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}`;
}

/** V8 names an offset for most errors and none for a text that ends too early. */
function whereOf(text: string, message: string): string {
  const offset = /at position (\d+)/.exec(message)?.[1];
  return placeOf(text, offset === undefined ? text.length : Number(offset));
}

export type JsonObject = Readonly<Record<string, unknown>>;

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A JSON object from its text. Throws JsonDocumentError with the place of the mistake. */
export function parseJsonObject(text: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new JsonDocumentError(`bad JSON at ${whereOf(text, message)}: ${message}`);
  }
  if (!isJsonObject(value)) throw new JsonDocumentError('not a JSON object');
  return value;
}
