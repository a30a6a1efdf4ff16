import { reasonOf } from '../../src/base/abort.ts';
import type { Clock, WaitOptions } from '../../src/core/ports/host.ts';

interface Waiting {
  readonly atMs: number;
  readonly order: number;
  readonly fire: () => void;
}

/** Time that the test moves. */
export class ManualClock implements Clock {
  #nowMs: number;
  #wallAheadMs = 0;
  #order = 0;
  readonly #startedAtMs: number;
  readonly #waiting = new Set<Waiting>();

  constructor(wallMs = 1_700_000_000_000) {
    this.#nowMs = wallMs;
    this.#startedAtMs = wallMs;
  }

  /** How many timers and sleeps have not fired. */
  get pending(): number {
    return this.#waiting.size;
  }

  wallMs(): number {
    return this.#nowMs + this.#wallAheadMs;
  }

  monotonicMs(): number {
    return this.#nowMs - this.#startedAtMs;
  }

  /** Somebody sets the wall clock; nothing else moves. */
  jump(ms: number): void {
    this.#wallAheadMs += ms;
  }

  timer(ms: number, callback: () => void): Disposable {
    const entry: Waiting = { atMs: this.#nowMs + ms, order: (this.#order += 1), fire: callback };
    this.#waiting.add(entry);
    return { [Symbol.dispose]: () => { this.#waiting.delete(entry); } };
  }

  async sleep(ms: number, options: WaitOptions = {}): Promise<void> {
    const { signal } = options;
    if (signal?.aborted === true) throw reasonOf(signal);
    await new Promise<void>((resolve, reject) => {
      const timer = this.timer(ms, resolve);
      signal?.addEventListener('abort', () => {
        timer[Symbol.dispose]();
        reject(reasonOf(signal));
      }, { once: true });
    });
  }

  /** Moves time and fires what is due, in order; promises settled by one timer run before the next fires. */
  async advance(ms: number): Promise<void> {
    await settle();
    const until = this.#nowMs + ms;
    for (;;) {
      const due = [...this.#waiting].filter((entry) => entry.atMs <= until).sort((a, b) => a.atMs - b.atMs || a.order - b.order)[0];
      if (due === undefined) break;
      this.#waiting.delete(due);
      this.#nowMs = Math.max(this.#nowMs, due.atMs);
      due.fire();
      await settle();
    }
    this.#nowMs = until;
    await settle();
  }
}

/** Lets every promise that can settle without outside events do so. */
export async function settle(): Promise<void> {
  await new Promise<void>((resolve) => { setImmediate(resolve); });
}
