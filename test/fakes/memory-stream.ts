import type { ByteStream, SocketDialer } from '../../src/core/ports/host.ts';
import { DomainError } from '../../src/core/model/errors.ts';

/** One end of a stream whose other end the test plays. */
export class MemoryStream implements ByteStream {
  /** What our side wrote, as text. */
  written = '';
  closed = false;
  paused = false;
  #data: ((chunk: Uint8Array) => void) | undefined;
  #early: Uint8Array[] = [];
  #close: ((error: Error | undefined) => void) | undefined;
  #onWrite: ((text: string) => void) | undefined;

  /** The peer sends. */
  feed(text: string | Uint8Array): void {
    const chunk = Buffer.from(text);
    if (this.#data === undefined) this.#early.push(chunk);
    else this.#data(chunk);
  }

  /** The peer goes. */
  end(error?: Error): void {
    if (this.closed) return;
    this.closed = true;
    this.#close?.(error);
  }

  /** Told of each write; what came before is told at once. */
  onWrite(listener: (text: string) => void): void {
    this.#onWrite = listener;
    if (this.written !== '') listener(this.written);
  }

  onData(listener: (chunk: Uint8Array) => void): void {
    this.#data = listener;
    for (const chunk of this.#early.splice(0)) listener(chunk);
  }

  onClose(listener: (error: Error | undefined) => void): void {
    this.#close = listener;
    if (this.closed) listener(undefined);
  }

  write(chunks: readonly Uint8Array[]): boolean {
    const text = Buffer.concat(chunks).toString('utf8');
    this.written += text;
    this.#onWrite?.(text);
    return true;
  }

  async drained(): Promise<void> {
    await Promise.resolve();
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  close(): void {
    this.end();
  }
}

/** Gives out streams by path; a path without one is a socket that nobody listens on. */
export class MemoryDialer implements SocketDialer {
  readonly dialled: string[] = [];
  readonly #streams = new Map<string, MemoryStream[]>();

  add(path: string, stream: MemoryStream): void {
    this.#streams.set(path, [...(this.#streams.get(path) ?? []), stream]);
  }

  async dial(path: string, options: { deadlineMs: number; signal?: AbortSignal | undefined }): Promise<ByteStream> {
    this.dialled.push(path);
    const stream = this.#streams.get(path)?.shift();
    if (stream === undefined) throw new DomainError('DEADLINE', `nothing listened on ${path} within ${options.deadlineMs} ms`);
    return stream;
  }
}
