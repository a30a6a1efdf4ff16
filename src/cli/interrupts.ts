import { CliError } from './cli-error.ts';
import { interruptedBy, proxiedSignals, type ProxiedSignal } from './exit-codes.ts';
import type { CliHost } from './host.ts';

/** Why a command was given up: the user asked for it by a signal. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
  readonly signal: ProxiedSignal;

  constructor(signal: ProxiedSignal) {
    super(`interrupted by ${signal}`);
    this.signal = signal;
  }
}

/** The reader of our standard output went away (`viv logs x | head`). */
export class OutputClosed extends Error {
  override readonly name = 'OutputClosed';
}

/**
 * Who hears Ctrl-C. By default the first signal aborts `signal`, which cancels the call under way so that the daemon rolls back, and the
 * second one ends the process at once. A session with a process takes the signals over with `redirect` for as long as it stands.
 */
export class Interrupts implements Disposable {
  readonly #host: CliHost;
  readonly #controller = new AbortController();
  readonly #listeners: Disposable[];
  readonly #redirects: ((signal: ProxiedSignal) => void)[] = [];

  constructor(host: CliHost) {
    this.#host = host;
    this.#listeners = proxiedSignals.map((signal) => host.onSignal(signal, () => { this.#received(signal); }));
  }

  /** Aborts with an `Interrupted`, an `OutputClosed` or a `CliError` as its reason. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Our output cannot be written any more: whatever is under way is given up. */
  outputFailed(error: Error): void {
    const closed = 'code' in error && error.code === 'EPIPE';
    this.#controller.abort(closed ? new OutputClosed('standard output was closed') : new CliError(`cannot write to standard output: ${error.message}`, { cause: error }));
  }

  redirect(handler: (signal: ProxiedSignal) => void): Disposable {
    this.#redirects.push(handler);
    return { [Symbol.dispose]: () => { this.#redirects.splice(this.#redirects.indexOf(handler), 1); } };
  }

  [Symbol.dispose](): void {
    for (const listener of this.#listeners) listener[Symbol.dispose]();
  }

  #received(signal: ProxiedSignal): void {
    const redirect = this.#redirects.at(-1);
    if (redirect !== undefined) redirect(signal);
    else if (this.#controller.signal.aborted) this.#host.endNow(interruptedBy(signal));
    else this.#controller.abort(new Interrupted(signal));
  }
}
