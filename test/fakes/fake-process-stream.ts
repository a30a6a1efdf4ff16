import { AsyncQueue } from '../../src/base/async-queue.ts';
import { deferred } from '../../src/base/abort.ts';
import type { TtySize } from '../../src/core/model/sandbox-spec.ts';
import type { Mode, Phase } from '../../src/core/model/outcome.ts';
import type { Offsets, ProcessStream, StreamEvent } from '../../src/daemon/services/facade.ts';

export const WINDOW_BYTES = 1024n * 1024n;

export const EXIT: StreamEvent = { kind: 'exit', exit: { code: 7, signal: 0, oomKilled: false, atMs: 5000, cause: 'CONTAINER_EXIT', detail: '' } };

/** A process whose output the test writes. `emit` respects the window that the contract gives a client: 1 MiB beyond what it acknowledged. */
export class FakeProcessStream implements ProcessStream {
  readonly execId = 'e'.repeat(32);
  readonly containerId = 'c'.repeat(32);
  readonly sandboxId = 'b'.repeat(32);
  readonly tty = false;
  readonly phases: readonly Phase[] = [];
  readonly mode: Mode | undefined = undefined;
  readonly stdinOffset = 0n;
  readonly offsets: Offsets;
  readonly #queue = new AsyncQueue<StreamEvent>(1);
  readonly output: AsyncIterable<StreamEvent> = this.#queue;
  readonly received: Buffer[] = [];
  readonly sizes: TtySize[] = [];
  readonly signals: string[] = [];
  readonly acks: Offsets[] = [];
  /** Resolves when the client's hold was let go of. */
  readonly disposed = deferred<undefined>();
  readonly stdinClosed = deferred<undefined>();
  /** Called before a stdin chunk is taken. */
  beforeStdin: (data: Uint8Array) => Promise<void> = async () => undefined;
  #acked: Offsets;
  #written: { stdout: bigint; stderr: bigint };
  #room = deferred<undefined>();
  isDisposed = false;

  constructor(offsets: Offsets = { stdout: 0n, stderr: 0n }) {
    this.offsets = offsets;
    this.#acked = offsets;
    this.#written = { ...offsets };
  }

  get written(): Offsets {
    return this.#written;
  }

  /** Resolves false when the client has let go. */
  async emit(kind: 'stdout' | 'stderr', data: Uint8Array): Promise<boolean> {
    while (!this.isDisposed && this.#written[kind] + BigInt(data.length) > this.#acked[kind] + WINDOW_BYTES) await this.#room.promise;
    if (this.isDisposed) return false;
    const offset = this.#written[kind];
    this.#written[kind] += BigInt(data.length);
    return await this.#queue.push({ kind, offset, data });
  }

  async lose(event: StreamEvent): Promise<void> {
    await this.#queue.push(event);
  }

  async exit(): Promise<void> {
    await this.#queue.push(EXIT);
    this.#queue.end();
  }

  fail(error: unknown): void {
    this.#queue.fail(error);
  }

  ack(offsets: Offsets): void {
    this.acks.push({ ...offsets });
    this.#acked = { ...offsets };
    this.#wake();
  }

  async writeStdin(offset: bigint, data: Uint8Array): Promise<bigint> {
    await this.beforeStdin(data);
    this.received.push(Buffer.from(data));
    return offset + BigInt(data.length);
  }

  async closeStdin(): Promise<void> {
    this.stdinClosed.resolve(undefined);
  }

  async resize(size: TtySize): Promise<void> {
    this.sizes.push(size);
  }

  async signal(signal: string): Promise<void> {
    this.signals.push(signal);
  }

  [Symbol.dispose](): void {
    this.isDisposed = true;
    this.#wake();
    this.disposed.resolve(undefined);
  }

  #wake(): void {
    const room = this.#room;
    this.#room = deferred<undefined>();
    room.resolve(undefined);
  }
}
