import { addAbortListener } from 'node:events';
import { deferred, reasonOf } from '../base/abort.ts';
import type { Deferred } from '../base/abort.ts';
import { LineSplitter, formatJsonLine, parseJsonLine } from '../base/json-lines.ts';
import { DomainError, toDomainError } from '../core/model/errors.ts';
import type { ByteStream, Clock } from '../core/ports/host.ts';
import { isObject } from './launcher-record.ts';

/** The version of "serve" in docs/protocols/launcher.md that this daemon speaks. */
const SERVE_VERSION = 1;
/** An answer has at most 64 KiB. */
const MAX_LINE_BYTES = 256 * 1024;
/** How long a request that was given up is waited for: its worker was killed, which a dead disk may put off. */
const CANCEL_MS = 1000;

export type HelperAnswer = Readonly<Record<string, unknown>>;

export interface HelperCall {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** What it is, for the error that says it took too long. */
  readonly what: string;
}

/** The helper went away before it answered; how far it came is not known. */
export class HelperGoneError extends Error {
  override readonly name = 'HelperGoneError';
}

interface Pending {
  readonly answer: Deferred<HelperAnswer>;
  /** Why the caller no longer waits. */
  reason: Error | undefined;
}

/** One life of the resident helper: requests out, answers in any order. */
export class HelperSession {
  readonly #stream: ByteStream;
  readonly #clock: Clock;
  readonly #lines = new LineSplitter(MAX_LINE_BYTES);
  readonly #pending = new Map<number, Pending>();
  #greeted = false;
  #nextId = 1;
  #gone: HelperGoneError | undefined;

  constructor(stream: ByteStream, clock: Clock) {
    this.#stream = stream;
    this.#clock = clock;
    stream.onClose((error) => { this.#end(error ?? new DomainError('HOST_RESOURCE', 'viv-launcher serve ended')); });
    stream.onData((chunk) => { this.#read(chunk); });
  }

  /** True once it can't be asked any more. */
  get ended(): boolean {
    return this.#gone !== undefined;
  }

  /** Resolves with the `answer`, whatever it says. Rejects HelperGoneError, DEADLINE, or the signal's reason; the latter two once its worker was ended. */
  async ask(request: object, { timeoutMs, signal, what }: HelperCall): Promise<HelperAnswer> {
    if (this.#gone !== undefined) throw this.#gone;
    const id = this.#nextId;
    this.#nextId += 1;
    const pending: Pending = { answer: deferred<HelperAnswer>(), reason: undefined };
    this.#pending.set(id, pending);
    const timer = this.#clock.timer(timeoutMs, () => { this.#giveUp(id, pending, new DomainError('DEADLINE', `${what} did not end within ${timeoutMs} ms`, { remedy: 'look at the load of this host and at its disks' })); });
    const listener = signal === undefined ? undefined : addAbortListener(signal, () => { this.#giveUp(id, pending, reasonOf(signal)); });
    this.#stream.write([Buffer.from(formatJsonLine({ id, ...request }))]);
    try {
      return await pending.answer.promise;
    } finally {
      this.#pending.delete(id);
      timer[Symbol.dispose]();
      listener?.[Symbol.dispose]();
    }
  }

  close(): void {
    this.#end(new DomainError('SHUTTING_DOWN', 'the daemon stops'));
  }

  #giveUp(id: number, pending: Pending, reason: Error): void {
    if (pending.reason !== undefined) return;
    pending.reason = reason;
    this.#stream.write([Buffer.from(formatJsonLine({ cancel: id }))]);
    const late = this.#clock.timer(CANCEL_MS, () => { pending.answer.reject(reason); });
    void pending.answer.promise.then(() => undefined, () => undefined).then(() => { late[Symbol.dispose](); });
  }

  #read(chunk: Uint8Array): void {
    try {
      for (const line of this.#lines.push(chunk)) this.#take(parseJsonLine(line));
    } catch (error) {
      this.#end(error);
    }
  }

  #take(value: unknown): void {
    if (!isObject(value)) throw new Error('the helper said something that is no object');
    if (!this.#greeted) {
      this.#greet(value);
      return;
    }
    const { id, answer } = value;
    if (typeof id !== 'number' || !isObject(answer)) throw new Error(`the helper refused a line: ${JSON.stringify(value).slice(0, 400)}`);
    const pending = this.#pending.get(id);
    if (pending?.reason !== undefined) pending.answer.reject(pending.reason);
    else pending?.answer.resolve(answer);
  }

  #greet(value: HelperAnswer): void {
    if (value['hello'] !== 'viv-launcher' || value['version'] !== SERVE_VERSION) {
      const said = JSON.stringify(value).slice(0, 200);
      throw new DomainError('HOST_RESOURCE', `viv-launcher does not serve version ${SERVE_VERSION}: ${said}`, { remedy: 'build viv-launcher anew, from the same version as the daemon' });
    }
    this.#greeted = true;
  }

  #end(error: unknown): void {
    if (this.#gone !== undefined) return;
    const cause = toDomainError(error);
    this.#gone = new HelperGoneError(cause.message, { cause });
    for (const { answer } of this.#pending.values()) answer.reject(this.#gone);
    this.#stream.close();
  }
}
