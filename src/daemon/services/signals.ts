import { constants } from 'node:os';

/** `SIGTERM`, `TERM`, `term` or `15` → 15. Undefined when there is no such signal. */
export function signalNumber(text: string): number | undefined {
  if (/^\d{1,2}$/.test(text)) {
    const number = Number(text);
    return number >= 1 && number <= 64 ? number : undefined;
  }
  const upper = text.toUpperCase();
  const name = upper.startsWith('SIG') ? upper : `SIG${upper}`;
  const numbers: Readonly<Record<string, number>> = constants.signals;
  const real = /^SIGRTMIN(?:\+(\d{1,2}))?$/.exec(name);
  if (real !== null) {
    const number = 34 + Number(real[1] ?? '0');
    return number <= 64 ? number : undefined;
  }
  return numbers[name];
}
