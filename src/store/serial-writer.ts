import { deferred } from '../base/abort.ts';
import type { Deferred } from '../base/abort.ts';

/** The file's new content, or its removal. */
export type Change<T> = { readonly kind: 'save'; readonly value: T } | { readonly kind: 'remove' };

interface Pending<T> {
  change: Change<T>;
  readonly done: Deferred<void>;
}

/**
 * Changes of one thing, applied one at a time. While one is under way, later ones are merged: only the last is applied, and all who
 * asked for one of them hear how that went. A failure is told to those whom it concerns and stops nothing after it.
 */
export class SerialWriter<T> {
  readonly #apply: (change: Change<T>) => Promise<void>;
  #next: Pending<T> | undefined;
  #running = false;

  constructor(apply: (change: Change<T>) => Promise<void>) {
    this.#apply = apply;
  }

  get idle(): boolean {
    return !this.#running;
  }

  /** Resolves when this change, or a later one, is on the disk. */
  async submit(change: Change<T>): Promise<void> {
    const fresh: Deferred<void> = deferred();
    this.#next ??= { change, done: fresh };
    this.#next.change = change;
    const { done } = this.#next;
    if (!this.#running) void this.#run();
    await done.promise;
  }

  async #run(): Promise<void> {
    this.#running = true;
    for (let pending = this.#next; pending !== undefined; pending = this.#next) {
      this.#next = undefined;
      try {
        await this.#apply(pending.change);
        pending.done.resolve();
      } catch (error) {
        pending.done.reject(error);
      }
    }
    this.#running = false;
  }
}
