import { addAbortListener } from 'node:events';
import type { errorDetailsServerMiddleware } from 'nice-grpc-error-details';
import type { CallContext } from 'nice-grpc-common';
import { linkSignals } from '../../base/abort.ts';
import type { LinkedSignal } from '../../base/abort.ts';
import type { Attempt } from '../services/request-book.ts';
import { cancelled } from './status.ts';

/** What a middleware answers, in the library's own words. */
export type MiddlewareResult<Response> = ReturnType<typeof errorDetailsServerMiddleware<unknown, Response>>;

/** What our middleware adds to the context of a call. */
export interface RequestContext {
  /** Stands in every log line of this call, and in an INTERNAL error. */
  readonly requestLogId: string;
  /** Of a request with an id (request-once.ts): what was written down before its work began. */
  readonly attempt?: Attempt;
}

export type ApiContext = CallContext & RequestContext;

/** A signal that follows the caller, whose reason is a DomainError: what a service rejects with is then already right. */
export function callerSignal(signal: AbortSignal): LinkedSignal {
  const linked = linkSignals();
  if (signal.aborted) linked.abort(cancelled(signal.reason));
  const listener = signal.aborted ? undefined : addAbortListener(signal, () => { linked.abort(cancelled(signal.reason)); });
  return {
    signal: linked.signal,
    abort: (reason) => { linked.abort(reason); },
    [Symbol.dispose]: () => {
      listener?.[Symbol.dispose]();
      linked[Symbol.dispose]();
    },
  };
}
