import type { OutputEvent, ProcessKey } from '../../core/ports/agent.ts';
import type { WaitOptions } from '../../core/ports/host.ts';
import { OutputRequest } from '../../gen/vivarium/agent/v1/stream.ts';
import { TIMEOUTS_MS } from '../timeouts.ts';
import type { TtrpcClient } from '../ttrpc/client.ts';
import { violation } from '../ttrpc/message.ts';
import type { Offsets } from './acks.ts';
import { toGuestExit } from './exit.ts';
import { OutputBacklog } from './output-backlog.ts';
import { decodeOutput } from './output-message.ts';
import { STREAM_SERVICE } from './services.ts';

/** Bytes a stream that the agent may send beyond what was acknowledged. */
const WINDOW_BYTES = 1024 * 1024;
/** Both windows, and one chunk that was under way when the window filled. */
const CAPACITY_BYTES = 2 * WINDOW_BYTES + 256 * 1024;

/** One Output stream: what the agent sends, checked to be without gaps, and held until it is read. */
export class OutputStream {
  readonly #backlog = new OutputBacklog(CAPACITY_BYTES);
  readonly #reached: { stdout: bigint; stderr: bigint };
  readonly #nowMs: () => number;
  #exited = false;

  constructor(from: Offsets, nowMs: () => number) {
    this.#reached = { stdout: from.stdout, stderr: from.stderr };
    this.#nowMs = nowMs;
  }

  /** Starts it. Dispose of what it returns to stop it. */
  open(client: TtrpcClient, key: ProcessKey, options: WaitOptions): Disposable {
    const request = OutputRequest.encode({
      containerId: key.containerId,
      execId: key.execId ?? '',
      stdoutOffset: this.#reached.stdout,
      stderrOffset: this.#reached.stderr,
      window: WINDOW_BYTES,
    }).finish();
    const raw = { service: STREAM_SERVICE, name: 'Output', timeoutMs: TIMEOUTS_MS.Output, payload: [request] } as const;
    return client.openStream(raw, {
      onData: (payload) => { this.#take(payload); },
      onResult: () => { this.#backlog.end(this.#exited ? undefined : violation('the end of an output stream without an exit')); },
      onError: (error) => { this.#backlog.end(error instanceof Error ? error : new Error(String(error))); },
    }, options);
  }

  next(): Promise<OutputEvent | undefined> {
    return this.#backlog.next();
  }

  /** Throws AGENT_PROTOCOL, which ends the connection: an agent that lies about offsets is not to be believed in anything. */
  #take(payload: Uint8Array): void {
    const message = decodeOutput(payload);
    if (message === undefined) return;
    if (this.#exited) throw violation('output after the exit');
    if (message.kind === 'exit') {
      this.#missing('stdout', message.exit.stdoutEnd);
      this.#missing('stderr', message.exit.stderrEnd);
      this.#exited = true;
      this.#backlog.exit(toGuestExit(message.exit, this.#nowMs()));
      return;
    }
    const { kind, offset, data } = message;
    if (offset !== this.#reached[kind]) throw violation(`${kind} at offset ${offset.toString()} instead of ${this.#reached[kind].toString()}`);
    if (!this.#backlog.push(kind, offset, data)) throw violation(`more ${kind} than its window allows`);
    this.#reached[kind] += BigInt(data.length);
  }

  #missing(stream: 'stdout' | 'stderr', end: bigint): void {
    if (end > this.#reached[stream]) this.#backlog.lost(stream, this.#reached[stream], end);
  }
}
