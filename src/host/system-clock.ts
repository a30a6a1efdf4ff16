import { performance } from 'node:perf_hooks';
import { raceSignal, throwIfAborted } from '../base/abort.ts';
import type { Clock, WaitOptions } from '../core/ports/host.ts';

/** The longest that one of Node's timers takes; a longer one would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** The real time. */
export class SystemClock implements Clock {
  wallMs(): number {
    return Date.now();
  }

  monotonicMs(): number {
    return performance.now();
  }

  async sleep(ms: number, options: WaitOptions = {}): Promise<void> {
    throwIfAborted(options.signal);
    let chain: TimerChain | undefined;
    const over = new Promise<undefined>((resolve) => {
      chain = new TimerChain(ms, () => { resolve(undefined); }, true);
    });
    try {
      await raceSignal(over, options.signal);
    } finally {
      chain?.[Symbol.dispose]();
    }
  }

  timer(ms: number, callback: () => void): Disposable {
    return new TimerChain(ms, callback, false);
  }
}

/** One timer of any length, made of as many as it takes. */
class TimerChain implements Disposable {
  #timeout: NodeJS.Timeout | undefined;

  constructor(ms: number, callback: () => void, keepsProcess: boolean) {
    this.#arm(Math.max(0, ms), callback, keepsProcess);
  }

  #arm(ms: number, callback: () => void, keepsProcess: boolean): void {
    const part = Math.min(ms, LONGEST_TIMER_MS);
    this.#timeout = setTimeout(() => {
      if (ms > part) this.#arm(ms - part, callback, keepsProcess);
      else callback();
    }, part);
    if (!keepsProcess) this.#timeout.unref();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timeout);
  }
}
