/** A JSON text that can't be used; the message says where and why. */
export class JsonDocumentError extends Error {
  override readonly name = 'JsonDocumentError';
}

/** Line and column (from 1) of an offset in a text. */
function placeOf(text: string, offset: number): string {
  const before = text.slice(0, offset).split('\n');
  return `line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}`;
}

/** What JSON.parse says of a text; undefined when it likes it. */
function complaintOf(text: string): string | undefined {
  try {
    JSON.parse(text);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** The text is right as far as it goes: what it lacks is its end. */
function endsTooEarly(text: string): boolean {
  const complaint = complaintOf(text);
  if (complaint === undefined || /Unexpected end|Unterminated/.test(complaint)) return true;
  return Number(/at position (\d+)/.exec(complaint)?.[1]) >= text.length;
}

/** Where the mistake is. V8 does not always say, but the longest beginning that is right as far as it goes ends there. */
function mistakeIn(text: string): number {
  let [right, wrong] = [0, text.length];
  if (endsTooEarly(text)) return text.length;
  while (wrong - right > 1) {
    const middle = (right + wrong) >>> 1;
    if (endsTooEarly(text.slice(0, middle))) right = middle;
    else wrong = middle;
  }
  return right;
}

export type JsonObject = Readonly<Record<string, unknown>>;

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A JSON object from its text. Throws JsonDocumentError with the place of the mistake. */
export function parseJsonObject(text: string): JsonObject {
  const complaint = complaintOf(text);
  if (complaint !== undefined) throw new JsonDocumentError(`bad JSON at ${placeOf(text, mistakeIn(text))}: ${complaint}`);
  const value: unknown = JSON.parse(text);
  if (!isJsonObject(value)) throw new JsonDocumentError('not a JSON object');
  return value;
}
