import type { CallContext, ServerMiddlewareCall } from 'nice-grpc-common';
import { AsyncQueue } from '../../base/async-queue.ts';
import { DomainError } from '../../core/model/errors.ts';
import type { ErrorReason } from '../../core/model/errors.ts';
import type { WaitOptions } from '../../core/ports/host.ts';
import type { Services } from '../services/facade.ts';
import type { Attempt, OnceRequest, RequestBook } from '../services/request-book.ts';
import type { MiddlewareResult, RequestContext } from './call-context.ts';
import { MadeObjects } from './made-objects.ts';
import { digestOf, messagesOf, REQUEST_METHODS } from './request-methods.ts';
import type { RequestMethod } from './request-methods.ts';
import { asDomainError } from './status.ts';
import { isRequestId } from './validate-fields.ts';

const NOT_FOUND: ReadonlySet<ErrorReason> = new Set(['SANDBOX_NOT_FOUND', 'CONTAINER_NOT_FOUND']);
/** Messages of a stream that wait for the caller who began it. */
const STREAM_QUEUE = 64;

type Request = Readonly<Record<string, unknown>>;

/** One start of a stream. */
export interface StreamStart {
  readonly method: string;
  readonly digest: string;
  readonly requestId: string;
  /** The container that it names. */
  readonly ref: string;
  readonly work: (attempt: Attempt) => Promise<void>;
}

/**
 * The innermost middleware: a call with a request id is carried out once by the request book, whoever else sends it. Calls without one, and those
 * that change nothing, pass. What an invalid id is told comes from the call's own validation.
 */
export class RequestOnce {
  readonly #book: RequestBook;
  readonly #services: Pick<Services, 'sandboxes' | 'containers'>;
  readonly #made: MadeObjects;

  constructor(book: RequestBook, services: Pick<Services, 'sandboxes' | 'containers'>) {
    this.#book = book;
    this.#services = services;
    this.#made = new MadeObjects(services);
  }

  readonly middleware = this.#run.bind(this);

  /** After recovery: what creates of an earlier daemon have made is written down, for it may be gone when they come again. */
  async settle(): Promise<void> {
    for (const begun of this.#book.unfinished) {
      if (REQUEST_METHODS[begun.method]?.unfinished === 'look-up') await this.#book.settle(begun, this.#shape(begun.method));
    }
  }

  /** A start of a stream, once. Resolves with the subject: the container, or the exec's id. */
  async start({ method: path, digest, requestId, ref, work }: StreamStart, signal: AbortSignal): Promise<string> {
    const method = methodOf(path);
    const request: OnceRequest<string> = {
      id: requestId,
      method: path,
      digest,
      subject: method.subject === 'new-exec' ? undefined : this.#idOf(method, ref),
      unfinished: method.unfinished,
      work: async (attempt) => {
        if (attempt.begunAtMs !== undefined) await this.#recovered('container', ref, attempt);
        await work(attempt);
        return attempt.subject;
      },
      lookUp: async () => undefined,
      encode: (subject) => Buffer.from(subject),
      decode: (bytes) => Buffer.from(bytes).toString(),
    };
    return await this.#book.once(request, signal);
  }

  async *#run<Message, Response>(call: ServerMiddlewareCall<Message, Response, RequestContext>, context: CallContext & RequestContext): MiddlewareResult<Response> {
    const method = REQUEST_METHODS[call.method.path];
    if (method === undefined || call.requestStream) return yield* call.next(call.request, context);
    const request = call.request as Request;
    const id = request['requestId'];
    if (typeof id !== 'string' || id === '' || !isRequestId(id)) return yield* call.next(call.request, context);
    const once = (work: (request: Message, context: CallContext & RequestContext) => Promise<Response>): Promise<Response> =>
      this.#book.once(this.#describe({ path: call.method.path, method, id, request, context }, async (aimed, attempt) =>
        await work(aimed as Message, { ...context, signal: attempt.signal, attempt })), context.signal) as Promise<Response>;
    if (call.responseStream) {
      yield* shareStream<Response>(async (emit) => await once(async (aimed, inner) => await drained(call.next(aimed, inner), emit)));
      return undefined;
    }
    return await once(async (aimed, inner) => (await call.next(aimed, inner).next()).value);
  }

  #describe(call: DescribedCall, work: (request: Request, attempt: Attempt) => Promise<unknown>): OnceRequest<unknown> {
    const { path, method, id, request, context } = call;
    return {
      id,
      method: path,
      digest: digestOf(messagesOf(path).request, request),
      subject: method.subject.startsWith('new-') ? undefined : this.#idOf(method, request[fieldOf(method)]),
      unfinished: method.unfinished,
      ...this.#shape(path),
      lookUp: async (subject, signal) => await this.#lookUp(call, subject, { signal }),
      work: async (attempt) => {
        try {
          return await this.#attempt(call, attempt, work);
        } catch (error) {
          throw asDomainError(error, context.requestLogId);
        }
      },
    };
  }

  /** What a create has made; when that is not there, the answer waits until it can be made anew. */
  async #lookUp({ method, request }: DescribedCall, subject: string, options: WaitOptions): Promise<unknown> {
    const made = await this.#made.find(method.subject, subject, options);
    if (made === undefined && method.subject === 'new-container') await this.#recovered('sandbox', this.#idOf({ subject: 'sandbox' }, request['sandboxId']), options);
    return made;
  }

  /** Again, it is about what it was about the first time, whatever has that name now, and only once that is recovered. */
  async #attempt({ path, method, request }: DescribedCall, attempt: Attempt, work: (request: Request, attempt: Attempt) => Promise<unknown>): Promise<unknown> {
    const again = attempt.begunAtMs !== undefined && attempt.subject !== '';
    if (!again) return await work(request, attempt);
    await this.#recovered(method.subject, attempt.subject, attempt);
    try {
      return await work({ ...request, [fieldOf(method)]: attempt.subject }, attempt);
    } catch (error) {
      if (method.goneIsDone && error instanceof DomainError && NOT_FOUND.has(error.reason)) return messagesOf(path).response.fromPartial({});
      throw error;
    }
  }

  /** How outcomes of a method are kept, and found again by what they have made. */
  #shape(path: string): Pick<OnceRequest<unknown>, 'lookUp' | 'encode' | 'decode'> {
    const { response } = messagesOf(path);
    const { subject } = methodOf(path);
    return {
      lookUp: async (id, signal) => await this.#made.find(subject, id, { signal }),
      encode: (value) => response.encode(value).finish(),
      decode: (bytes) => response.decode(bytes),
    };
  }

  /** What a reference means now; empty when that is nothing, or not one thing. */
  #idOf({ subject }: Pick<RequestMethod, 'subject'>, ref: unknown): string {
    if (typeof ref !== 'string') return '';
    try {
      if (subject === 'sandbox') return this.#services.sandboxes.get(ref).id;
      if (subject === 'container') return this.#services.containers.get(ref).container.id;
    } catch (error) {
      // The call itself is going to say so.
      if (!(error instanceof DomainError)) throw error;
    }
    return '';
  }

  async #recovered(subject: RequestMethod['subject'], ref: string, options: WaitOptions): Promise<void> {
    const id = subject === 'container' ? this.#sandboxOf(ref) : ref;
    if (id !== '') await this.#services.sandboxes.recovered(id, options);
  }

  #sandboxOf(containerRef: string): string {
    try {
      return this.#services.containers.get(containerRef).sandbox.id;
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
      return '';
    }
  }
}

interface DescribedCall {
  readonly path: string;
  readonly method: RequestMethod;
  readonly id: string;
  readonly request: Request;
  readonly context: CallContext & RequestContext;
}

function methodOf(path: string): RequestMethod {
  const method = REQUEST_METHODS[path];
  if (method === undefined) throw new Error(`${path} has no request id`);
  return method;
}

function fieldOf({ subject }: RequestMethod): 'sandboxId' | 'containerId' {
  return subject === 'container' ? 'containerId' : 'sandboxId';
}

/** Passes on every message of a stream; resolves with the last one, which is its outcome. */
async function drained<Response>(messages: AsyncIterable<Response>, emit: (message: Response) => Promise<void>): Promise<Response> {
  let last: Response | undefined;
  for await (const message of messages) {
    last = message;
    await emit(message);
  }
  if (last === undefined) throw new DomainError('INTERNAL', 'the stream ended without a result');
  return last;
}

/** Who began the stream sees all of it; who joined it, or comes later, sees its outcome. */
async function* shareStream<Response>(run: (emit: (message: Response) => Promise<void>) => Promise<Response>): AsyncGenerator<Response, void, undefined> {
  const queue = new AsyncQueue<Response>(STREAM_QUEUE);
  const seen = { any: false };
  const outcome = run(async (message) => {
    seen.any = true;
    await queue.push(message);
  });
  outcome.then(() => { queue.end(); }, (error: unknown) => { queue.fail(error); });
  yield* queue;
  const last = await outcome;
  if (!seen.any) yield last;
}
