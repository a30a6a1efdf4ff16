import type { Socket } from 'node:net';
import { deferred } from '../base/abort.ts';
import type { Deferred } from '../base/abort.ts';
import type { ByteStream } from '../core/ports/host.ts';

/** A connected socket as a ByteStream. Until a data listener is set nothing is read, so nothing is lost and the peer feels it. */
export class SocketStream implements ByteStream {
  readonly #socket: Socket;
  #drained: Deferred<undefined> | undefined;
  #error: Error | undefined;
  #closed = false;
  #onClose: ((error: Error | undefined) => void) | undefined;
  /** Something of this turn has not gone out yet. */
  #held = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('error', (error) => { this.#error = error; });
    socket.on('drain', () => { this.#wake(); });
    socket.on('close', () => {
      this.#closed = true;
      this.#wake();
      this.#onClose?.(this.#error);
    });
  }

  onData(listener: (chunk: Uint8Array) => void): void {
    this.#socket.on('data', listener);
  }

  onClose(listener: (error: Error | undefined) => void): void {
    this.#onClose = listener;
    if (this.#closed) queueMicrotask(() => { listener(this.#error); });
  }

  /** All that is written in one turn of the event loop goes out with one call of the kernel, which also wakes the peer once. */
  write(chunks: readonly Uint8Array[]): boolean {
    if (this.#closed || !this.#socket.writable) return true;
    if (!this.#held) {
      this.#held = true;
      this.#socket.cork();
      process.nextTick(() => { this.#flush(); });
    }
    for (const chunk of chunks) this.#socket.write(chunk);
    return !this.#socket.writableNeedDrain;
  }

  async drained(): Promise<void> {
    if (this.#closed || !this.#socket.writableNeedDrain) return;
    this.#drained ??= deferred<undefined>();
    await this.#drained.promise;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  /** What was written before is given to the kernel, as far as that takes it. */
  close(): void {
    this.#flush();
    this.#socket.destroy();
  }

  #flush(): void {
    if (!this.#held) return;
    this.#held = false;
    this.#socket.uncork();
  }

  #wake(): void {
    const drained = this.#drained;
    this.#drained = undefined;
    drained?.resolve(undefined);
  }
}
