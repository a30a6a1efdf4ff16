import type { OutputStream } from '../host.ts';
import { OutputProgress, type Gap } from './output-progress.ts';

/** Writes one output stream of a process to one of ours, and knows which bytes have reached its reader. */
export class OutputPump {
  readonly progress = new OutputProgress();
  readonly #sink: OutputStream;
  readonly #onWritten: () => void;
  #pendingBytes = 0;
  #lostTo = 0n;
  #waiting: (() => void)[] = [];

  /** @param onWritten called when more bytes were taken by the sink */
  constructor(sink: OutputStream, onWritten: () => void) {
    this.#sink = sink;
    this.#onWritten = onWritten;
  }

  /** @returns what the daemon skipped without a word, if it did */
  write(offset: bigint, data: Uint8Array): Gap | undefined {
    const { fresh, gap } = this.progress.accept(offset, data);
    if (fresh.length === 0) return gap;
    const end = this.progress.received;
    this.#pendingBytes += fresh.length;
    this.#sink.write(fresh, () => { this.#taken(fresh.length, end); });
    return gap;
  }

  /** @returns what is newly lost */
  lost(from: bigint, to: bigint): Gap | undefined {
    const gap = this.progress.lost(from, to);
    this.#lostTo = to;
    if (this.#pendingBytes === 0) this.progress.wrote(to);
    return gap;
  }

  /** Resolves when at most `bytes` wait for the sink, or `signal` aborts. A sink that broke takes everything: its error is told elsewhere, once. */
  async below(bytes: number, signal: AbortSignal): Promise<void> {
    const wake = (): void => { this.#wakeWaiting(); };
    signal.addEventListener('abort', wake);
    while (this.#pendingBytes > bytes && !signal.aborted) await new Promise<void>((resolve) => { this.#waiting.push(resolve); });
    signal.removeEventListener('abort', wake);
  }

  #taken(length: number, end: bigint): void {
    this.#pendingBytes -= length;
    this.progress.wrote(end);
    if (this.#pendingBytes === 0) this.progress.wrote(this.#lostTo);
    this.#wakeWaiting();
    this.#onWritten();
  }

  #wakeWaiting(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
