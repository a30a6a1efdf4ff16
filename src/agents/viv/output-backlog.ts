import { deferred } from '../../base/abort.ts';
import type { Deferred } from '../../base/abort.ts';
import type { GuestExit, OutputEvent } from '../../core/ports/agent.ts';

type StreamName = 'stdout' | 'stderr';

/** A chunk that is smaller goes to the end of the one before it, when that one still waits: a byte must not cost an object. */
const SMALL = 4096;

interface Waiting {
  readonly kind: StreamName;
  readonly offset: bigint;
  data: Uint8Array;
  /** How much of `data` is filled; the rest is room for more. */
  used: number;
}

/**
 * Output that came and was not read yet: bytes of both streams in the order they came (small pieces of one stream joined), then the exit, then the
 * end. Takes at most `capacity` bytes: what the agent may send is bounded by its window, so more is a broken agent.
 */
export class OutputBacklog {
  readonly #capacity: number;
  readonly #waiting: Waiting[] = [];
  readonly #last: { [Name in StreamName]: Waiting | undefined } = { stdout: undefined, stderr: undefined };
  #bytes = 0;
  #closing: OutputEvent[] = [];
  #end: { readonly error: Error | undefined } | undefined;
  #wakeup: Deferred<undefined> | undefined;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** False when it is full. */
  push(kind: StreamName, offset: bigint, data: Uint8Array): boolean {
    if (this.#bytes + data.length > this.#capacity) return false;
    this.#bytes += data.length;
    const last = this.#last[kind];
    if (last !== undefined && data.length < SMALL) append(last, data);
    else this.#add({ kind, offset, data, used: data.length });
    this.#wake();
    return true;
  }

  lost(stream: StreamName, from: bigint, to: bigint): void {
    this.#closing.push({ kind: 'lost', stream, from, to });
  }

  exit(exit: GuestExit): void {
    this.#closing.push({ kind: 'exit', exit });
    this.#wake();
  }

  /** No more comes. With an error: the reader gets what waits, then that. */
  end(error?: Error): void {
    this.#end ??= { error };
    this.#wake();
  }

  /** The next event; undefined at the end. Rejects with the error given to `end`. One reader. */
  async next(): Promise<OutputEvent | undefined> {
    for (;;) {
      const event = this.#shift() ?? this.#closing.shift();
      if (event !== undefined) return event;
      if (this.#end?.error !== undefined) throw this.#end.error;
      if (this.#end !== undefined) return undefined;
      this.#wakeup ??= deferred<undefined>();
      await this.#wakeup.promise;
    }
  }

  #add(item: Waiting): void {
    this.#waiting.push(item);
    this.#last[item.kind] = item;
  }

  #shift(): OutputEvent | undefined {
    const item = this.#waiting.shift();
    if (item === undefined) return undefined;
    if (this.#last[item.kind] === item) this.#last[item.kind] = undefined;
    this.#bytes -= item.used;
    return { kind: item.kind, offset: item.offset, data: item.data.subarray(0, item.used) };
  }

  #wake(): void {
    const wakeup = this.#wakeup;
    this.#wakeup = undefined;
    wakeup?.resolve(undefined);
  }
}

function append(item: Waiting, data: Uint8Array): void {
  if (item.used + data.length > item.data.length) {
    const grown = Buffer.allocUnsafeSlow(Math.max(SMALL, 2 * (item.used + data.length)));
    grown.set(item.data.subarray(0, item.used));
    item.data = grown;
  }
  item.data.set(data, item.used);
  item.used += data.length;
}
