import { linkSignals } from '../../base/abort.ts';
import { DomainError } from '../../core/model/errors.ts';
import type { Clock } from '../../core/ports/host.ts';

/** The tool has its own measure for a registry that says nothing. This one is for the tool: a disk that hangs, a layer that another one makes. */
const SILENCE_MS = 30 * 60_000;

/** A signal that follows the caller's, and is aborted with DEADLINE when nothing is heard for half an hour. */
export class SilenceLimit implements Disposable {
  readonly #clock: Pick<Clock, 'timer'>;
  readonly #what: string;
  readonly #link;
  #timer: Disposable;

  constructor(clock: Pick<Clock, 'timer'>, call: { readonly what: string; readonly signal?: AbortSignal | undefined }) {
    this.#clock = clock;
    this.#what = call.what;
    this.#link = linkSignals(call.signal);
    this.#timer = this.#start();
  }

  get signal(): AbortSignal {
    return this.#link.signal;
  }

  heard(): void {
    this.#timer[Symbol.dispose]();
    this.#timer = this.#start();
  }

  abort(reason: Error): void {
    this.#link.abort(reason);
  }

  [Symbol.dispose](): void {
    this.#timer[Symbol.dispose]();
    this.#link[Symbol.dispose]();
  }

  #start(): Disposable {
    return this.#clock.timer(SILENCE_MS, () => {
      this.#link.abort(new DomainError('DEADLINE', `${this.#what}: the image tool said nothing for ${SILENCE_MS / 60_000} minutes`, { remedy: 'look at the disk of the state directory' }));
    });
  }
}
