import { constants } from 'node:os';

const NUMBERS: ReadonlyMap<string, number> = new Map(Object.entries(constants.signals));
const NAMES: ReadonlyMap<number, string> = new Map([...NUMBERS].reverse().map(([name, number]) => [number, name]));
const SIGRTMIN = 34;
const SIGRTMAX = 64;

/**
 * A signal by name (`SIGTERM`, `term`), number (`15`) or real-time name (`SIGRTMIN+3`), in its one form: the name with SIG, or the number as
 * text for a real-time signal (Linux signal(7), glibc's range). Undefined: no such signal.
 */
export function parseSignal(text: string): string | undefined {
  if (/^\d{1,2}$/.test(text)) {
    const number = Number(text);
    return NAMES.get(number) ?? (number >= SIGRTMIN && number <= SIGRTMAX ? String(number) : undefined);
  }
  const upper = text.toUpperCase();
  const name = upper.startsWith('SIG') ? upper : `SIG${upper}`;
  const realTime = /^SIGRT(MIN|MAX)(?:([+-])(\d{1,2}))?$/.exec(name);
  if (realTime !== null) {
    const base = realTime[1] === 'MIN' ? SIGRTMIN : SIGRTMAX;
    const number = base + (realTime[2] === '-' ? -1 : 1) * Number(realTime[3] ?? '0');
    return number >= SIGRTMIN && number <= SIGRTMAX ? String(number) : undefined;
  }
  const number = NUMBERS.get(name);
  return number === undefined ? undefined : (NAMES.get(number) ?? name);
}
