import { deferred } from './abort.ts';
import type { Deferred } from './abort.ts';

export interface MailboxOptions<T> {
  /** So many may wait; the one being handled does not count. */
  readonly capacity: number;
  /** Handles one item at a time, in the order of posting. */
  readonly handle: (item: T) => void | Promise<void>;
  /** A handler that failed; the next item is handled all the same. */
  readonly onError: (error: unknown, item: T) => void;
}

/** What became of a posted item. The poster decides what `full` means for it: refuse a caller, close a connection, count a loss. */
export type PostResult = 'accepted' | 'full' | 'closed';

/** One consumer, ordered, bounded. */
export class Mailbox<T> {
  readonly #options: MailboxOptions<T>;
  readonly #waiting: T[] = [];
  #running = false;
  #closed = false;
  #idle: Deferred<undefined> | undefined;

  constructor(options: MailboxOptions<T>) {
    this.#options = options;
  }

  get length(): number {
    return this.#waiting.length;
  }

  /** `beyondCapacity` is for the few items that must not be lost and that are bounded by their nature, such as the end of a process. */
  post(item: T, options: { beyondCapacity?: boolean } = {}): PostResult {
    if (this.#closed) return 'closed';
    if (this.#waiting.length >= this.#options.capacity && options.beyondCapacity !== true) return 'full';
    this.#waiting.push(item);
    if (!this.#running) {
      this.#running = true;
      // Never inside the poster's own call: a handler that posts must not be re-entered.
      queueMicrotask(() => void this.#run());
    }
    return 'accepted';
  }

  /** Resolves when nothing waits and nothing is handled. */
  async idle(): Promise<void> {
    if (!this.#running) return;
    this.#idle ??= deferred<undefined>();
    await this.#idle.promise;
  }

  /** Takes nothing more; resolves when all that was accepted has been handled. Not to be awaited inside a handler. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.idle();
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const item = this.#waiting.shift() as T;
      try {
        await this.#options.handle(item);
      } catch (error) {
        this.#options.onError(error, item);
      }
    }
    this.#running = false;
    const idle = this.#idle;
    this.#idle = undefined;
    idle?.resolve(undefined);
  }
}
