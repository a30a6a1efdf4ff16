import { linkSignals, raceSignal, reasonOf } from './abort.ts';

/** One piece of work for several callers, each with a signal of its own. The work is aborted when the last of them has gone. */
export class SharedWork<T> {
  readonly #link = linkSignals();
  readonly #work: Promise<T>;
  #callers = 0;
  #over = false;

  constructor(work: (signal: AbortSignal) => Promise<T>) {
    this.#work = work(this.#link.signal).finally(() => { this.#over = true; });
    // Told to those who wait for it.
    this.#work.catch(() => undefined);
  }

  /** All have gone: it is on its way to its end, and nobody may join any more. */
  get abandoned(): boolean {
    return this.#link.signal.aborted;
  }

  /** Resolves when it is over, however it ended. */
  async ended(signal: AbortSignal | undefined): Promise<void> {
    await raceSignal(this.#work.then(() => undefined, () => undefined), signal);
  }

  /** Its outcome, or the caller's own reason to go. The last to go waits for the end: past its commit point the work may still succeed. */
  async join(signal: AbortSignal | undefined): Promise<T> {
    this.#callers += 1;
    try {
      return await raceSignal(this.#work, signal);
    } catch (error) {
      if (signal?.aborted !== true || this.#over || this.#callers > 1) throw error;
      this.#link.abort(reasonOf(signal));
      return await this.#work;
    } finally {
      this.#callers -= 1;
    }
  }
}
