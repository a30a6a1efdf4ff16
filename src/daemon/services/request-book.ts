import { DomainError, toDomainError } from '../../core/model/errors.ts';
import type { Clock, IdSource } from '../../core/ports/host.ts';
import type { BegunRequest, RequestJournal } from '../../core/ports/stores.ts';
import type { Logger } from '../../core/ports/telemetry.ts';
import { MEMORY_OF_REASON } from './request-memory.ts';
import { SharedWork } from '../../base/shared-work.ts';

/** How a request is carried out this time. */
export interface Attempt {
  /** Aborted when all who wait for the request have gone. */
  readonly signal: AbortSignal;
  /** The id of what the request makes, or of what it meant when it began; empty when that was nothing. */
  readonly subject: string;
  /** Set when it began before, at that time, and may have been done: what is so already counts as done. */
  readonly begunAtMs: number | undefined;
}

/**
 * What becomes of a request that began and whose end is not known: its daemon was killed, or it was given up.
 *
 * - `again`: carried out again by work that counts as done what is so already.
 * - `look-up`: what it was to make is there, or it did not happen and is carried out anew.
 * - `unknown`: it can't be known, and twice is worse than an error.
 */
export type Unfinished = 'again' | 'look-up' | 'unknown';

export interface OnceRequest<T> {
  readonly id: string;
  readonly method: string;
  readonly digest: string;
  /** Undefined: it makes something, which gets a new id. */
  readonly subject: string | undefined;
  readonly unfinished: Unfinished;
  readonly work: (attempt: Attempt) => Promise<T>;
  /** For `look-up`. What the request made; undefined when that is not there. */
  readonly lookUp: (subject: string, signal: AbortSignal | undefined) => Promise<T | undefined>;
  readonly encode: (value: T) => Uint8Array;
  readonly decode: (bytes: Uint8Array) => T;
}

export interface RequestBookParts {
  readonly journal: RequestJournal;
  readonly clock: Pick<Clock, 'wallMs'>;
  readonly ids: Pick<IdSource, 'id'>;
  readonly logger: Logger;
}

interface Running {
  readonly begun: Pick<BegunRequest, 'method' | 'digest' | 'beganAtMs' | 'subject'>;
  readonly work: SharedWork<unknown>;
}

/** Carries a request out once for each request id, however often it is sent: while it runs, after it, and across restarts of the daemon. */
export class RequestBook {
  readonly #parts: RequestBookParts;
  readonly #running = new Map<string, Running>();

  constructor(parts: RequestBookParts) {
    this.#parts = parts;
  }

  /**
   * The request's outcome: of the first of its kind, of the one that runs, or of the work that is done now. Rejects with REQUEST_ID_CONFLICT when
   * the id belongs to another request, with REQUEST_OUTCOME_UNKNOWN when nobody can tell, with the signal's reason when the caller goes.
   */
  async once<T>(request: OnceRequest<T>, signal: AbortSignal | undefined): Promise<T> {
    for (;;) {
      const running = this.#running.get(request.id);
      refuseOther(request, running?.begun ?? this.#parts.journal.find(request.id)?.begun);
      if (running === undefined) return await this.#run(request).join(signal);
      // The same method has the same kind of outcome.
      if (!running.work.abandoned) return await (running.work as SharedWork<T>).join(signal);
      await running.work.ended(signal);
    }
  }

  /** Writes down what a request of an earlier daemon has made, once that is known to be there: it may be gone when the request comes again. */
  async settle<T>(begun: BegunRequest, request: Pick<OnceRequest<T>, 'lookUp' | 'encode'>): Promise<void> {
    const made = await request.lookUp(begun.subject, undefined);
    if (made === undefined || this.#running.has(begun.id) || this.#parts.journal.find(begun.id)?.ended !== false) return;
    await this.#parts.journal.finish(begun, { kind: 'reply', bytes: request.encode(made) });
  }

  /** Those that an earlier daemon began and did not end. */
  get unfinished(): readonly BegunRequest[] {
    return this.#parts.journal.unfinished;
  }

  #run<T>(request: OnceRequest<T>): SharedWork<T> {
    const { journal, clock, ids } = this.#parts;
    const kept = journal.find(request.id);
    const begun = kept?.begun ?? { id: request.id, method: request.method, digest: request.digest, beganAtMs: clock.wallMs(), subject: request.subject ?? ids.id() };
    const work = new SharedWork(async (signal) => {
      // Not before it can be found by those who come now.
      await Promise.resolve();
      try {
        if (kept?.ended === true) return await this.#replay(request);
        return kept === undefined ? await this.#first(request, begun, signal) : await this.#unfinished(request, begun, signal);
      } finally {
        this.#running.delete(request.id);
      }
    });
    this.#running.set(request.id, { begun, work });
    return work;
  }

  async #replay<T>(request: OnceRequest<T>): Promise<T> {
    this.#parts.logger.info({ request: request.id, method: request.method }, 'a request came again and is answered as before');
    const outcome = await this.#parts.journal.outcome(request.id);
    if (outcome.kind === 'error') throw outcome.error;
    return request.decode(outcome.bytes);
  }

  async #first<T>(request: OnceRequest<T>, begun: BegunRequest, signal: AbortSignal): Promise<T> {
    const { journal, logger } = this.#parts;
    try {
      await journal.begin(begun);
    } catch (error) {
      if (request.unfinished === 'look-up') {
        await journal.forget(begun.id);
        throw error;
      }
      // What is there can be stopped and removed with a full disk too; only a restart would not know of it.
      logger.warn({ error, request: begun.id, method: begun.method }, 'a request could not be written down before it is carried out');
    }
    return await this.#carryOut(request, begun, { signal, subject: begun.subject, begunAtMs: undefined });
  }

  async #unfinished<T>(request: OnceRequest<T>, begun: BegunRequest, signal: AbortSignal): Promise<T> {
    this.#parts.logger.info({ request: begun.id, method: begun.method, began: new Date(begun.beganAtMs).toISOString() }, 'a request came again whose end is not known');
    switch (request.unfinished) {
      case 'again':
        return await this.#carryOut(request, begun, { signal, subject: begun.subject, begunAtMs: begun.beganAtMs });
      case 'look-up': {
        const made = await this.#recorded(request, begun, async () => await request.lookUp(begun.subject, signal));
        return made ?? await this.#first(request, { ...begun, beganAtMs: this.#parts.clock.wallMs(), subject: request.subject ?? this.#parts.ids.id() }, signal);
      }
      case 'unknown':
        return await this.#recorded(request, begun, async () => { throw outcomeUnknown(begun); });
    }
  }

  async #carryOut<T>(request: OnceRequest<T>, begun: BegunRequest, attempt: Attempt): Promise<T> {
    return await this.#recorded(request, begun, async () => await request.work(attempt));
  }

  /** What comes of the work is written down before anybody is told. Undefined is not an outcome. */
  async #recorded<T, Result extends T | undefined>(request: OnceRequest<T>, begun: BegunRequest, work: () => Promise<Result>): Promise<Result> {
    let value: Result;
    try {
      value = await work();
    } catch (error) {
      await this.#failed(request.unfinished, begun, toDomainError(error));
      throw error;
    }
    if (value !== undefined) await this.#parts.journal.finish(begun, { kind: 'reply', bytes: request.encode(value) });
    return value;
  }

  async #failed(unfinished: Unfinished, begun: BegunRequest, error: DomainError): Promise<void> {
    const memory = MEMORY_OF_REASON[error.reason];
    if (memory === 'final') await this.#parts.journal.finish(begun, { kind: 'error', error });
    // Of one that may not be carried out twice, open means unknown: that would be said of what was only refused.
    else if (memory === 'free' || (memory === 'refused' && unfinished === 'unknown')) await this.#parts.journal.forget(begun.id);
  }
}

function refuseOther(request: Pick<OnceRequest<unknown>, 'id' | 'method' | 'digest'>, begun: Running['begun'] | undefined): void {
  if (begun === undefined || (begun.method === request.method && begun.digest === request.digest)) return;
  const at = new Date(begun.beganAtMs).toISOString();
  const first = begun.method.slice(begun.method.lastIndexOf('/') + 1);
  throw new DomainError('REQUEST_ID_CONFLICT', `the request id ${JSON.stringify(request.id)} belongs to another request: ${first} at ${at}`, {
    remedy: 'give each request an id of its own, and the same id only to the same request',
    facts: { request_id: request.id, first_method: begun.method.slice(1), first_at: at, ...(begun.subject === '' ? {} : { first_subject: begun.subject }) },
  });
}

function outcomeUnknown({ id, method, beganAtMs, subject }: BegunRequest): DomainError {
  const at = new Date(beganAtMs).toISOString();
  return new DomainError('REQUEST_OUTCOME_UNKNOWN', `whether this request of ${at} was carried out is not known, and it is not carried out twice`, {
    remedy: 'look at what it was about; if it is still wanted, send it with a new request id',
    facts: { request_id: id, first_method: method.slice(1), first_at: at, ...(subject === '' ? {} : { first_subject: subject }) },
  });
}
