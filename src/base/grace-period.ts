import { deferred, raceSignal, type Deferred } from './abort.ts';

/**
 * Tells when everyone who was inside at a moment has left; those who come later are of no matter. Who takes something out of sight waits for it
 * before it takes it away: nobody can hold it any more then.
 */
export class GracePeriod {
  readonly #inside = new Set<Deferred<undefined>>();

  /** Dispose of the result to leave; twice is fine. */
  enter(): Disposable {
    const visit = deferred<undefined>();
    this.#inside.add(visit);
    return {
      [Symbol.dispose]: () => {
        this.#inside.delete(visit);
        visit.resolve(undefined);
      },
    };
  }

  /** Rejects with the signal's reason. */
  async passed(signal?: AbortSignal): Promise<void> {
    await raceSignal(Promise.all([...this.#inside].map(({ promise }) => promise)), signal);
  }
}
