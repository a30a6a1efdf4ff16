import { deferred } from '../../../src/base/abort.ts';
import type { Deferred } from '../../../src/base/abort.ts';
import type { ByteStream } from '../../../src/core/ports/host.ts';

/** One end of a connection in memory. What one end writes the other gets on the next turn, cut as `cut` says. */
export class MemoryStream implements ByteStream {
  /** Everything that was written to this end, in order. */
  readonly written: Uint8Array[] = [];
  /** How many times `write` was called. */
  writes = 0;
  peer: MemoryStream | undefined;
  #listener: ((chunk: Uint8Array) => void) | undefined;
  #onClose: ((error: Error | undefined) => void) | undefined;
  #waiting: Uint8Array[] = [];
  #paused = false;
  #closed: { error: Error | undefined } | undefined;
  #room: Deferred<undefined> | undefined;
  readonly #cut: (bytes: Uint8Array) => Uint8Array[];

  constructor(cut: (bytes: Uint8Array) => Uint8Array[] = (bytes) => [bytes]) {
    this.#cut = cut;
  }

  get closed(): boolean {
    return this.#closed !== undefined;
  }

  onData(listener: (chunk: Uint8Array) => void): void {
    this.#listener = listener;
    this.#deliver();
  }

  onClose(listener: (error: Error | undefined) => void): void {
    this.#onClose = listener;
    if (this.#closed !== undefined) listener(this.#closed.error);
  }

  write(chunks: readonly Uint8Array[]): boolean {
    this.writes += 1;
    if (this.#closed !== undefined) return true;
    const bytes = Buffer.concat(chunks);
    this.written.push(bytes);
    this.peer?.receive(bytes);
    return this.#room === undefined;
  }

  async drained(): Promise<void> {
    await this.#room?.promise;
  }

  /** From now on `write` says that its buffer is full, until `drain`. */
  clog(): void {
    this.#room ??= deferred<undefined>();
  }

  drain(): void {
    const room = this.#room;
    this.#room = undefined;
    room?.resolve(undefined);
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#deliver();
  }

  close(): void {
    this.fail(undefined);
    this.peer?.fail(undefined);
  }

  /** Ends this end as the system would. */
  fail(error: Error | undefined): void {
    if (this.#closed !== undefined) return;
    this.#closed = { error };
    this.drain();
    this.#onClose?.(error);
  }

  receive(bytes: Uint8Array): void {
    this.#waiting.push(...this.#cut(bytes));
    queueMicrotask(() => { this.#deliver(); });
  }

  #deliver(): void {
    while (!this.#paused && this.#listener !== undefined && this.#waiting.length > 0) {
      this.#listener(this.#waiting.shift()!);
    }
  }
}

/** A connection in memory: what one end writes the other reads. `cut` cuts what goes either way. */
export function memoryPair(cut?: (bytes: Uint8Array) => Uint8Array[]): { host: MemoryStream; guest: MemoryStream } {
  const host = new MemoryStream(cut);
  const guest = new MemoryStream(cut);
  host.peer = guest;
  guest.peer = host;
  return { host, guest };
}
