import { deferred, raceSignal, type Deferred } from './abort.ts';

/** Lets many in, or shuts: shutting waits until all inside have left, and those who come then wait until it opens. */
export class Gate {
  #inside = 0;
  #opened: Deferred<undefined> | undefined;
  #emptied: Deferred<undefined> | undefined;

  /** Runs work inside. */
  async through<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    while (this.#opened !== undefined) await raceSignal(this.#opened.promise, signal);
    this.#inside += 1;
    try {
      return await work();
    } finally {
      this.#inside -= 1;
      if (this.#inside === 0) this.#emptied?.resolve(undefined);
    }
  }

  /** Shuts, and resolves when nobody is inside. Dispose of the result to open. Rejects (and is open again) when the signal aborts first. */
  async shut(signal?: AbortSignal): Promise<Disposable> {
    while (this.#opened !== undefined) await raceSignal(this.#opened.promise, signal);
    const opened = deferred<undefined>();
    this.#opened = opened;
    const open = (): void => {
      if (this.#opened !== opened) return;
      this.#opened = undefined;
      opened.resolve(undefined);
    };
    try {
      if (this.#inside > 0) {
        this.#emptied = deferred<undefined>();
        await raceSignal(this.#emptied.promise, signal);
      }
    } catch (error) {
      open();
      throw error;
    } finally {
      this.#emptied = undefined;
    }
    return { [Symbol.dispose]: open };
  }
}
