import type { StartTimer } from '../../base/abort.ts';
import { deadline, raceSignal, throwIfAborted } from '../../base/abort.ts';
import { DomainError, toDomainError } from '../../core/model/errors.ts';
import type { ByteStream, Clock, WaitOptions } from '../../core/ports/host.ts';
import type { Metrics } from '../../core/ports/telemetry.ts';
import type { MethodName } from '../timeouts.ts';
import type { CallHandlers } from './call-table.ts';
import { CallTable, overdue } from './call-table.ts';
import { Deadlines } from './deadlines.ts';
import type { Frame } from './frame.ts';
import { FLAG_REMOTE_CLOSED, FrameDecoder, TYPE_DATA, TYPE_RESPONSE } from './frame.ts';
import { decodeResponse, encodeRequest, orProtocolError, violation } from './message.ts';
import type { Method } from './method.ts';
import { refusal } from './status.ts';

export interface TtrpcClientDeps {
  readonly clock: Clock;
  readonly metrics: Pick<Metrics, 'agentRpc' | 'dropped'>;
}

/** A call whose payload is encoded already. */
export interface RawCall {
  readonly service: string;
  readonly name: MethodName;
  /** 0: none. */
  readonly timeoutMs: number;
  /** Sent one after another as one payload, uncopied. */
  readonly payload: readonly Uint8Array[];
}

/**
 * The client side of ttrpc over one connected byte stream: correlates calls and answers, keeps deadlines, and knows nothing of any service.
 *
 * A call ends with its answer, a refusal (see status.ts), AGENT_UNREACHABLE at its deadline or at the end of the connection, AGENT_PROTOCOL after
 * garbage (which also closes the connection: frame borders can no longer be trusted), or its signal's reason. Late answers are dropped.
 */
export class TtrpcClient {
  readonly #stream: ByteStream;
  readonly #deps: TtrpcClientDeps;
  readonly #deadlines: Deadlines;
  readonly #calls: CallTable;
  readonly #decoder = new FrameDecoder();
  readonly #endListeners: ((error: DomainError) => void)[] = [];
  #congested = false;
  #ended: DomainError | undefined;

  constructor(stream: ByteStream, deps: TtrpcClientDeps) {
    this.#stream = stream;
    this.#deps = deps;
    this.#deadlines = new Deadlines(deps.clock);
    this.#calls = new CallTable(this.#deadlines);
    stream.onClose((error) => { this.#end(linkLost(error)); });
    stream.onData((chunk) => { this.#receive(chunk); });
  }

  /** Calls back once when the connection has ended, also when it already has. */
  onEnd(listener: (error: DomainError) => void): void {
    if (this.#ended === undefined) this.#endListeners.push(listener);
    else listener(this.#ended);
  }

  /** Deadlines stand still while the guest is paused. */
  rest(resting: boolean): void {
    this.#deadlines.rest(resting);
  }

  async call<Request, Response>(method: Method<Request, Response>, request: Request, options: WaitOptions = {}): Promise<Response> {
    const { service, name, timeoutMs } = method;
    const answer = await this.callRaw({ service, name, timeoutMs, payload: [method.request.encode(request).finish()] }, options);
    return orProtocolError(`an answer to ${name}`, () => method.response.decode(answer));
  }

  async callRaw(raw: RawCall, options: WaitOptions = {}): Promise<Uint8Array> {
    throwIfAborted(options.signal);
    if (this.#congested) await this.#room(raw, options.signal);
    const startedMs = this.#deps.clock.monotonicMs();
    try {
      const answer = await new Promise<Uint8Array>((resolve, reject) => {
        this.#send(raw, 0, options.signal, { onData: undefined, onResult: resolve, onError: reject });
      });
      this.#observe(raw, 'OK', startedMs);
      return answer;
    } catch (error) {
      this.#observe(raw, options.signal?.aborted === true ? 'CANCELLED' : codeOf(toDomainError(error)), startedMs);
      throw error;
    }
  }

  /**
   * Starts a server stream: `onData` gets each message's bytes in order, as they come, and must take them at once; then `onResult` or `onError`, once.
   * Returns what stops it on this side (ttrpc has no cancel: what the guest still sends is dropped).
   */
  openStream(raw: RawCall, handlers: CallHandlers & { readonly onData: (payload: Uint8Array) => void }, options: WaitOptions = {}): Disposable {
    throwIfAborted(options.signal);
    const id = this.#send(raw, FLAG_REMOTE_CLOSED, options.signal, handlers);
    return { [Symbol.dispose]: () => { this.#calls.take(id); } };
  }

  /** Ends the connection and every call on it. */
  close(): void {
    this.#end(new DomainError('AGENT_UNREACHABLE', 'the connection to the guest agent was closed', { facts: { why: 'closed' } }));
  }

  #send(raw: RawCall, flags: number, signal: AbortSignal | undefined, handlers: CallHandlers): number {
    if (this.#ended !== undefined) throw this.#ended;
    const { service, name: method, timeoutMs } = raw;
    const call = this.#calls.open({ method, timeoutMs, signal }, handlers);
    try {
      const pieces = encodeRequest({ streamId: call.id, flags, service, method, timeoutMs }, raw.payload);
      this.#congested = !this.#stream.write(pieces);
    } catch (error) {
      this.#calls.take(call.id);
      throw error;
    }
    return call.id;
  }

  /** Keeps what waits in the socket's buffer bounded: a new call first waits until earlier ones went out. */
  async #room(raw: RawCall, signal: AbortSignal | undefined): Promise<void> {
    const timer: StartTimer = (ms, callback) => (ms > 0 ? this.#deadlines.start(ms, callback) : { [Symbol.dispose]: () => {} });
    using limit = deadline({ ms: raw.timeoutMs, timer, reason: () => overdue(raw.name, raw.timeoutMs), signals: [signal] });
    await raceSignal(this.#stream.drained(), limit.signal);
    this.#congested = false;
  }

  #receive(chunk: Uint8Array): void {
    if (this.#ended !== undefined) return;
    try {
      this.#decoder.push(chunk, (frame) => { this.#dispatch(frame); });
    } catch (error) {
      this.#end(toDomainError(error));
    }
  }

  #dispatch(frame: Frame): void {
    if (this.#ended !== undefined) return;
    if (frame.type !== TYPE_RESPONSE && frame.type !== TYPE_DATA) {
      this.#deps.metrics.dropped('agent_frame_unknown_type');
      return;
    }
    const call = this.#calls.get(frame.streamId);
    if (call === undefined) {
      if (!this.#calls.wasIssued(frame.streamId)) throw violation(`an answer on stream ${frame.streamId}, which was never opened`);
      this.#deps.metrics.dropped('agent_frame_late');
      return;
    }
    if (frame.type === TYPE_RESPONSE) this.#finish(frame);
    else if (call.onData === undefined) throw violation(`stream data in answer to ${call.method}`);
    else call.onData(frame.payload);
  }

  #finish(frame: Frame): void {
    const { status, payload } = decodeResponse(frame.payload);
    const call = this.#calls.take(frame.streamId);
    if (status.code === 0) call?.onResult(payload);
    else call?.onError(refusal(call.method, status));
  }

  #end(error: DomainError): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    this.#stream.close();
    this.#calls.failAll(error);
    for (const listener of this.#endListeners.splice(0)) listener(error);
  }

  /** A call without deadline waits for a process, not for the agent: its duration says nothing. */
  #observe(raw: RawCall, code: string, startedMs: number): void {
    if (raw.timeoutMs > 0) this.#deps.metrics.agentRpc(raw.name, code, (this.#deps.clock.monotonicMs() - startedMs) / 1000);
  }
}

function codeOf(error: DomainError): string {
  return error.details.facts?.['code'] ?? error.reason;
}

function linkLost(cause: Error | undefined): DomainError {
  const why = cause === undefined ? '' : `: ${cause.message}`;
  return new DomainError('AGENT_UNREACHABLE', `the connection to the guest agent was lost${why}`, { facts: { why: 'link' }, cause });
}

