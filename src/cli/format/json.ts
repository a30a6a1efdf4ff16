/**
 * The generated `toJSON` follows the protobuf JSON mapping except for google.protobuf.Duration, which it writes as an object:
 * here it becomes "1.5s", as the mapping says. https://protobuf.dev/programming-guides/json/
 */
export function protoJson(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(protoJson);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, isDuration(key, entry) ? durationText(entry) : protoJson(entry)]));
}

export const prettyJson = (value: unknown): string => `${JSON.stringify(protoJson(value), undefined, 2)}\n`;

export const jsonLine = (value: unknown): string => `${JSON.stringify(protoJson(value))}\n`;

// The fields of vivarium.v1 that are durations; a message of another type under such a name has other fields.
const durationFields: ReadonlySet<string> = new Set(['offset', 'duration', 'total', 'user', 'system', 'throttled', 'cpu', 'grace']);

interface JsonDuration {
  readonly seconds?: string;
  readonly nanos?: number;
}

function isDuration(key: string, value: unknown): value is JsonDuration {
  return durationFields.has(key) && typeof value === 'object' && value !== null && Object.keys(value).every((name) => name === 'seconds' || name === 'nanos');
}

function durationText({ seconds = '0', nanos = 0 }: JsonDuration): string {
  const sign = nanos < 0 || seconds.startsWith('-') ? '-' : '';
  const fraction = Math.abs(nanos).toString().padStart(9, '0').replace(/(000){1,3}$/, '');
  return `${sign}${seconds.replace('-', '')}${fraction === '' ? '' : `.${fraction}`}s`;
}
