import type { JsonReader } from './json-reader.ts';

/** Marks fields that the agent's protocol can't carry. */
export function refuseFields(reader: JsonReader, keys: readonly string[]): void {
  for (const key of keys) {
    const field = reader.at(key);
    if (field.present) field.reject("is not supported: the guest agent's protocol has no place for it");
  }
}
