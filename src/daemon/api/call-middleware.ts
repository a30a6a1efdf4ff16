import { errorDetailsServerMiddleware } from 'nice-grpc-error-details';
import { ServerError, Status } from 'nice-grpc-common';
import type { CallContext, ServerMiddlewareCall } from 'nice-grpc-common';
import type { Clock, IdSource } from '../../core/ports/host.ts';
import type { Logger, Metrics } from '../../core/ports/telemetry.ts';
import type { MiddlewareResult, RequestContext } from './call-context.ts';
import { asDomainError, toServerError } from './status.ts';

export interface CallMiddlewareParts {
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly ids: IdSource;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, 'rpc'>;
}

/**
 * Three of the four that wrap every call. Order from outermost: metrics, log, errors, drain (call-drain.ts). The first two see the final code; a
 * call that the drain turns away gets its details like any other.
 */
export class CallMiddleware {
  readonly #parts: CallMiddlewareParts;

  constructor(parts: CallMiddlewareParts) {
    this.#parts = parts;
  }

  readonly metrics = this.#metrics.bind(this);
  readonly log = this.#log.bind(this);
  readonly errors = this.#errors.bind(this);

  async *#metrics<Request, Response>(call: ServerMiddlewareCall<Request, Response>, context: CallContext): MiddlewareResult<Response> {
    const startedMs = this.#parts.clock.monotonicMs();
    let code: Status = Status.CANCELLED;
    try {
      const result = yield* call.next(call.request, context);
      code = Status.OK;
      return result;
    } catch (error) {
      code = codeOf(error);
      throw error;
    } finally {
      this.#parts.metrics.rpc(call.method.path.slice(1), Status[code], (this.#parts.clock.monotonicMs() - startedMs) / 1000);
    }
  }

  async *#log<Request, Response>(call: ServerMiddlewareCall<Request, Response, RequestContext>, context: CallContext): MiddlewareResult<Response> {
    const { clock, ids, logger } = this.#parts;
    const requestLogId = ids.id().slice(-10);
    const log = logger.child({ request: requestLogId, method: call.method.path.slice(1) });
    const startedMs = clock.monotonicMs();
    let code: Status = Status.CANCELLED;
    try {
      const result = yield* call.next(call.request, { ...context, requestLogId });
      code = Status.OK;
      return result;
    } catch (error) {
      code = codeOf(error);
      throw error;
    } finally {
      log.debug({ code: Status[code], ms: Math.round((clock.monotonicMs() - startedMs) * 1000) / 1000, peer: context.peer }, 'call');
    }
  }

  /** Whatever is thrown below becomes a status with details; nothing is sent that was not a DomainError. */
  async *#errors<Request, Response>(call: ServerMiddlewareCall<Request, Response>, context: CallContext & Partial<RequestContext>): MiddlewareResult<Response> {
    try {
      return yield* call.next(call.request, context);
    } catch (error) {
      const rich = this.#convert(error, call.method.path, context.requestLogId ?? '');
      // The library's middleware knows how to put the details into the trailer; it is run on the failure alone, not on each message.
      return yield* errorDetailsServerMiddleware(
        { ...call, next: failWith<Response>(rich) } as ServerMiddlewareCall<Request, Response>,
        context,
      );
    }
  }

  #convert(error: unknown, path: string, requestLogId: string): ServerError {
    if (error instanceof ServerError) return error;
    const domain = asDomainError(error, requestLogId);
    const fields = { request: requestLogId, method: path.slice(1), reason: domain.reason, error: domain.message, facts: domain.details.facts, sandbox: domain.details.sandboxId };
    if (domain.reason === 'INTERNAL') this.#parts.logger.error({ ...fields, err: domain.details.cause ?? domain }, 'call failed on a defect');
    else this.#parts.logger.info(fields, 'call refused or failed');
    return toServerError(domain);
  }
}

function failWith<Response>(error: ServerError): () => MiddlewareResult<Response> {
  return async function* fail(): MiddlewareResult<Response> {
    throw error;
  };
}

function codeOf(error: unknown): Status {
  if (error instanceof ServerError) return error.code;
  return error instanceof Error && error.name === 'AbortError' ? Status.CANCELLED : Status.UNKNOWN;
}
