/** `CONTAINER_STATE_RUNNING` → "running"; empty for the unspecified value. */
export function enumText(jsonName: string, prefix: string): string {
  const text = jsonName.startsWith(prefix) ? jsonName.slice(prefix.length) : jsonName;
  return text === 'UNSPECIFIED' ? '' : text.toLowerCase().replaceAll('_', ' ');
}
