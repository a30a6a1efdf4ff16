import { deferred, raceSignal, type Deferred } from '../../base/abort.ts';
import type { WaitOptions } from '../../core/ports/host.ts';

/**
 * Sandboxes found by a daemon that came back whose guests have not yet told what runs in them: they are still being looked at, are paused, or are mute.
 * Until then nobody can say that an exec is gone, nor how much of its input a process has taken.
 */
export class UnmetGuests {
  readonly #waiting = new Map<string, Deferred<undefined>>();

  expect(sandboxId: string): void {
    if (!this.#waiting.has(sandboxId)) this.#waiting.set(sandboxId, deferred<undefined>());
  }

  /** It has told, or has ended. */
  met(sandboxId: string): void {
    const waiting = this.#waiting.get(sandboxId);
    this.#waiting.delete(sandboxId);
    waiting?.resolve(undefined);
  }

  async known(sandboxId: string, options: WaitOptions): Promise<void> {
    const waiting = this.#waiting.get(sandboxId);
    if (waiting !== undefined) await raceSignal(waiting.promise, options.signal);
  }

  /** Resolves when `found`, which is looked at again after each guest that has told, or when every guest has. */
  async until(found: () => boolean, options: WaitOptions): Promise<void> {
    while (!found() && this.#waiting.size > 0) {
      await raceSignal(Promise.race([...this.#waiting.values()].map(({ promise }) => promise)), options.signal);
    }
  }
}
