import type { Clock } from '../../core/ports/host.ts';

interface Entry {
  leftMs: number;
  startedMs: number;
  timer: Disposable | undefined;
  readonly expire: () => void;
}

/** The deadlines of the calls on one connection. They stand still together while the guest is paused. */
export class Deadlines {
  readonly #clock: Clock;
  readonly #entries = new Set<Entry>();
  #resting = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Calls back once after that time awake, unless disposed before. */
  start(ms: number, expire: () => void): Disposable {
    const entry: Entry = { leftMs: ms, startedMs: 0, timer: undefined, expire };
    this.#entries.add(entry);
    if (!this.#resting) this.#run(entry);
    return {
      [Symbol.dispose]: () => {
        this.#halt(entry);
        this.#entries.delete(entry);
      },
    };
  }

  rest(resting: boolean): void {
    if (resting === this.#resting) return;
    this.#resting = resting;
    for (const entry of this.#entries) {
      if (resting) this.#halt(entry);
      else this.#run(entry);
    }
  }

  #run(entry: Entry): void {
    entry.startedMs = this.#clock.monotonicMs();
    entry.timer = this.#clock.timer(entry.leftMs, () => {
      this.#entries.delete(entry);
      entry.expire();
    });
  }

  #halt(entry: Entry): void {
    if (entry.timer === undefined) return;
    entry.timer[Symbol.dispose]();
    entry.timer = undefined;
    entry.leftMs = Math.max(0, entry.leftMs - (this.#clock.monotonicMs() - entry.startedMs));
  }
}
