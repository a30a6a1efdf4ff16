import type { CallContext, ServerMiddlewareCall } from 'nice-grpc-common';
import { deferred } from '../../base/abort.ts';
import type { Deferred, LinkedSignal } from '../../base/abort.ts';
import { DomainError } from '../../core/model/errors.ts';
import type { Clock } from '../../core/ports/host.ts';
import { callerSignal } from './call-context.ts';
import type { MiddlewareResult } from './call-context.ts';

export interface DrainTimes {
  /** How long streams and waits, which may last for ever, go on. */
  readonly streamsMs: number;
  /** How long every other call may take to end; from the beginning of the drain as well. */
  readonly callsMs: number;
}

/** Calls that end only when something happens elsewhere. */
const WAITS: ReadonlySet<string> = new Set(['/vivarium.v1.SandboxService/WaitSandbox', '/vivarium.v1.ContainerService/WaitContainer']);
/** Answered while draining too, so that a prober hears NOT_SERVING and not an error. */
const ALWAYS = '/grpc.health.v1.Health/';

interface ActiveCall {
  readonly link: LinkedSignal;
  readonly lasting: boolean;
}

/**
 * Knows the calls under way. While draining it lets no new one in (UNAVAILABLE, SHUTTING_DOWN), and after a grace it aborts those that are left,
 * through the signal that their handlers got.
 */
export class CallDrain {
  readonly #clock: Pick<Clock, 'timer'>;
  readonly #active = new Set<ActiveCall>();
  #draining = false;
  #empty: Deferred<undefined> | undefined;

  constructor(clock: Pick<Clock, 'timer'>) {
    this.#clock = clock;
  }

  get activeCalls(): number {
    return this.#active.size;
  }

  /** Resolves when the last call has ended. It may not while a client does not read: the server then closes its connection. */
  async drain(times: DrainTimes): Promise<void> {
    this.#draining = true;
    if (this.#active.size === 0) return;
    this.#empty ??= deferred<undefined>();
    const streams = this.#clock.timer(times.streamsMs, () => { this.#abort((call) => call.lasting); });
    const calls = this.#clock.timer(times.callsMs, () => { this.#abort(() => true); });
    try {
      await this.#empty.promise;
    } finally {
      streams[Symbol.dispose]();
      calls[Symbol.dispose]();
    }
  }

  readonly middleware = this.#run.bind(this);

  async *#run<Request, Response>(call: ServerMiddlewareCall<Request, Response>, context: CallContext): MiddlewareResult<Response> {
    const { path } = call.method;
    if (this.#draining && !path.startsWith(ALWAYS)) throw shuttingDown();
    using link = callerSignal(context.signal);
    const active: ActiveCall = { link, lasting: call.responseStream || WAITS.has(path) };
    this.#active.add(active);
    try {
      return yield* call.next(call.request, { ...context, signal: link.signal });
    } finally {
      this.#active.delete(active);
      if (this.#active.size === 0) this.#empty?.resolve(undefined);
    }
  }

  #abort(which: (call: ActiveCall) => boolean): void {
    for (const call of [...this.#active].filter(which)) call.link.abort(shuttingDown());
  }
}

function shuttingDown(): DomainError {
  return new DomainError('SHUTTING_DOWN', 'the daemon is shutting down; sandboxes go on', { remedy: 'call again when the daemon is back' });
}
