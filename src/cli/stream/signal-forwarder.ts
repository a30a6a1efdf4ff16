import type { ProxiedSignal } from '../exit-codes.ts';
import type { Clock } from '../host.ts';

const leaveAfter = 3;
const withinMs = 3000;

/** Passes signals on to the process; three requests to end within 3 s, and we leave the process alone instead. */
export class SignalForwarder {
  readonly #clock: Clock;
  readonly #forward: (signal: ProxiedSignal) => void;
  readonly #leave: (signal: ProxiedSignal) => void;
  #recent: number[] = [];

  constructor(clock: Clock, forward: (signal: ProxiedSignal) => void, leave: (signal: ProxiedSignal) => void) {
    this.#clock = clock;
    this.#forward = forward;
    this.#leave = leave;
  }

  received(signal: ProxiedSignal): void {
    this.#forward(signal);
    if (signal !== 'SIGINT' && signal !== 'SIGTERM') return;
    const now = this.#clock.now().getTime();
    this.#recent = [...this.#recent.filter((at) => now - at < withinMs), now];
    if (this.#recent.length >= leaveAfter) this.#leave(signal);
  }
}
