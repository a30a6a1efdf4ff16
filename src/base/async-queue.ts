import { deferred, raceSignal } from './abort.ts';
import type { Deferred } from './abort.ts';

/**
 * A bounded queue between one producer or several and one consumer that iterates. `push` waits while the queue is full, so a slow consumer
 * slows the producer and memory stays bounded. The consumer's `return` (a `break` in its loop) closes the queue.
 */
export class AsyncQueue<T> implements AsyncIterable<T> {
  readonly #capacity: number;
  readonly #sizeOf: (item: T) => number;
  readonly #items: T[] = [];
  #size = 0;
  #state: { kind: 'open' } | { kind: 'ended' } | { kind: 'failed'; error: unknown } | { kind: 'closed' } = { kind: 'open' };
  #readable: Deferred<undefined> | undefined;
  #room: Deferred<undefined> | undefined;

  /** `capacity` counts in the unit of `sizeOf` (items, when it is not given). One item is always taken by an empty queue, however large. */
  constructor(capacity: number, sizeOf: (item: T) => number = () => 1) {
    this.#capacity = capacity;
    this.#sizeOf = sizeOf;
  }

  /** Adds at once or not at all. False: it is full, or no longer open. */
  tryPush(item: T): boolean {
    if (this.#state.kind !== 'open') return false;
    const size = this.#sizeOf(item);
    if (this.#items.length > 0 && this.#size + size > this.#capacity) return false;
    this.#items.push(item);
    this.#size += size;
    this.#wakeReader();
    return true;
  }

  /** Waits for room, then adds. False when the queue has been ended, failed or left by its consumer. Rejects with the signal's reason. */
  async push(item: T, options: { signal?: AbortSignal | undefined } = {}): Promise<boolean> {
    while (!this.tryPush(item)) {
      if (this.#state.kind !== 'open') return false;
      this.#room ??= deferred<undefined>();
      await raceSignal(this.#room.promise, options.signal);
    }
    return true;
  }

  /** No more items: the consumer gets those that wait and then the end. */
  end(): void {
    this.#settle({ kind: 'ended' });
  }

  /** No more items: the consumer gets those that wait and then this error. */
  fail(error: unknown): void {
    this.#settle({ kind: 'failed', error });
  }

  [Symbol.asyncIterator](): AsyncIterator<T, undefined> {
    return {
      next: async () => {
        while (this.#items.length === 0) {
          if (this.#state.kind === 'failed') throw this.#state.error;
          if (this.#state.kind !== 'open') return { done: true, value: undefined };
          this.#readable ??= deferred<undefined>();
          await this.#readable.promise;
        }
        const value = this.#items.shift() as T;
        this.#size -= this.#sizeOf(value);
        this.#wakeWriters();
        return { done: false, value };
      },
      return: async () => {
        this.#items.length = 0;
        this.#size = 0;
        this.#state = { kind: 'closed' };
        this.#wakeReader();
        this.#wakeWriters();
        return { done: true, value: undefined };
      },
    };
  }

  #settle(state: { kind: 'ended' } | { kind: 'failed'; error: unknown }): void {
    if (this.#state.kind !== 'open') return;
    this.#state = state;
    this.#wakeReader();
    this.#wakeWriters();
  }

  #wakeReader(): void {
    const readable = this.#readable;
    this.#readable = undefined;
    readable?.resolve(undefined);
  }

  #wakeWriters(): void {
    const room = this.#room;
    this.#room = undefined;
    room?.resolve(undefined);
  }
}
