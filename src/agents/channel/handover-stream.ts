import type { ByteStream } from '../../core/ports/host.ts';

/**
 * A byte stream whose first bytes are read by one listener (a handshake) and the others by another (what follows it), on a stream that takes one only.
 *
 * While nobody listens, bytes wait here and the peer is held back.
 */
export class HandoverStream implements ByteStream {
  readonly #stream: ByteStream;
  #listener: ((chunk: Uint8Array) => void) | undefined;
  #waiting: Uint8Array[] = [];
  #closeListeners: ((error: Error | undefined) => void)[] = [];
  #closed: { readonly error: Error | undefined } | undefined;

  constructor(stream: ByteStream) {
    this.#stream = stream;
    stream.onClose((error) => {
      this.#closed = { error };
      for (const listener of this.#closeListeners.splice(0)) listener(error);
    });
    stream.onData((chunk) => { this.#receive(chunk); });
  }

  /** The first reader. Stays until `handOver`. */
  onData(listener: (chunk: Uint8Array) => void): void {
    this.#listener = listener;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const chunk of waiting) this.#receive(chunk);
    if (this.#closed === undefined) this.#stream.resume();
  }

  /**
   * Ends the first reader's time: it hears nothing more, not even of the end, and nothing of it is kept as long as the stream lives. `rest` is what
   * it was given and did not use. The next `onData` gets that first.
   */
  handOver(rest: Uint8Array): void {
    this.#listener = undefined;
    this.#closeListeners = [];
    if (rest.length > 0) this.#waiting.unshift(rest);
    this.#stream.pause();
  }

  onClose(listener: (error: Error | undefined) => void): void {
    if (this.#closed === undefined) this.#closeListeners.push(listener);
    else listener(this.#closed.error);
  }

  write(chunks: readonly Uint8Array[]): boolean {
    return this.#stream.write(chunks);
  }

  drained(): Promise<void> {
    return this.#stream.drained();
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  close(): void {
    this.#stream.close();
  }

  #receive(chunk: Uint8Array): void {
    if (this.#listener === undefined) this.#waiting.push(chunk);
    else this.#listener(chunk);
  }
}
