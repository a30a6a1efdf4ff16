import { addAbortListener } from 'node:events';

import { reasonOf } from '../../base/abort.ts';
import { DomainError } from '../../core/model/errors.ts';
import type { Deadlines } from './deadlines.ts';

/** The last odd number of 32 bits. */
const LAST_ID = 0xffff_ffff;

/** How a call ends: with the payload of its answer or an error. */
export interface CallHandlers {
  /** A message of a server stream; undefined for a call that has none. */
  readonly onData: ((payload: Uint8Array) => void) | undefined;
  readonly onResult: (payload: Uint8Array) => void;
  readonly onError: (error: unknown) => void;
}

export interface CallLimits {
  readonly method: string;
  /** 0: none. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

export interface Call extends CallHandlers {
  readonly id: number;
  readonly method: string;
}

interface Entry extends Call {
  readonly limits: Disposable[];
}

/** The calls under way on one connection by stream id. Each ends exactly once: by answer, deadline, abort or the connection's end. */
export class CallTable {
  readonly #deadlines: Deadlines;
  readonly #calls = new Map<number, Entry>();
  #nextId = 1;

  constructor(deadlines: Deadlines) {
    this.#deadlines = deadlines;
  }

  get size(): number {
    return this.#calls.size;
  }

  /** Enters a call under the next odd id. Its deadline and its signal take it out again. AGENT_UNREACHABLE when all ids are used up. */
  open(limits: CallLimits, handlers: CallHandlers): Call {
    if (this.#nextId > LAST_ID) {
      throw new DomainError('AGENT_UNREACHABLE', 'the connection to the guest agent has used up its stream ids', { remedy: 'connect anew' });
    }
    const id = this.#nextId;
    this.#nextId += 2;
    const entry: Entry = { ...handlers, id, method: limits.method, limits: [] };
    this.#calls.set(id, entry);
    const { signal, timeoutMs } = limits;
    if (timeoutMs > 0) {
      entry.limits.push(this.#deadlines.start(timeoutMs, () => { this.take(id)?.onError(overdue(limits.method, timeoutMs)); }));
    }
    if (signal !== undefined) {
      entry.limits.push(addAbortListener(signal, () => { this.take(id)?.onError(reasonOf(signal)); }));
    }
    return entry;
  }

  get(id: number): Call | undefined {
    return this.#calls.get(id);
  }

  /** Takes a call out, so that it can be ended. Undefined when it has ended. */
  take(id: number): Call | undefined {
    const entry = this.#calls.get(id);
    if (entry === undefined) return undefined;
    this.#calls.delete(id);
    for (const limit of entry.limits) limit[Symbol.dispose]();
    return entry;
  }

  /** True for an id that some call on this connection has had. */
  wasIssued(id: number): boolean {
    return id % 2 === 1 && id < this.#nextId;
  }

  /** Ends every call with this error. */
  failAll(error: DomainError): void {
    for (const id of [...this.#calls.keys()]) this.take(id)?.onError(error);
  }
}

/** The error of a call that got no answer in time. */
export function overdue(method: string, timeoutMs: number): DomainError {
  return new DomainError('AGENT_UNREACHABLE', `the guest agent did not answer ${method} within ${timeoutMs} ms`, {
    remedy: 'look at the sandbox console; the guest may be overloaded or hung',
    facts: { method, why: 'deadline' },
  });
}
