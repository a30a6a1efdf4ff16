/** A line of the daemon's log as people read it: `error: message`; a line that is no JSON as it is. */
export function logLineText(line: string): string {
  const entry = parseObject(line);
  const message = entry?.['msg'];
  if (typeof message !== 'string') return line;
  const level = entry?.['level'];
  return typeof level === 'string' ? `${level}: ${message}` : message;
}

function parseObject(line: string): Record<string, unknown> | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    // Cut off, or no JSON after all.
    return undefined;
  }
}
