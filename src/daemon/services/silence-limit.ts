import type { Clock } from '../../core/ports/host.ts';

/** What one look at the clock counts for at most, however late it comes. */
const TICK_MS = 1000;

export interface SilenceLimitOptions {
  readonly clock: Pick<Clock, 'timer'>;
  /** 0: silence is never over the limit. */
  readonly limitMs: number;
  /** Silence at such a moment is silence of who is listened to: not while it rests, and not before it is known. */
  readonly counts: () => boolean;
  readonly onLimit: () => void;
}

/**
 * Says once when something has been silent for too long. Silence is counted in ticks of a clock that never jumps, and a late tick counts as one:
 * when the host slept or this daemon was held up, nobody was silent meanwhile that could have been heard.
 */
export class SilenceLimit {
  readonly #options: SilenceLimitOptions;
  #timer: Disposable | undefined;
  #leftMs = 0;

  constructor(options: SilenceLimitOptions) {
    this.#options = options;
  }

  /** Silent from now on; no change when it was already. */
  silent(): void {
    if (this.#timer !== undefined || this.#options.limitMs === 0) return;
    this.#leftMs = this.#options.limitMs;
    this.#tick();
  }

  /** Heard, or no longer listened to. */
  heard(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }

  #tick(): void {
    const ms = Math.min(TICK_MS, this.#leftMs);
    this.#timer = this.#options.clock.timer(ms, () => {
      if (this.#options.counts()) this.#leftMs -= ms;
      if (this.#leftMs > 0) this.#tick();
      else this.#options.onLimit();
    });
  }
}
