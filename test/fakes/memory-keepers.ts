import { deferred } from '../../src/base/abort.ts';
import type { DomainEvent } from '../../src/core/model/events.ts';
import type { ContainerLog, LogEvent, LogPosition } from '../../src/core/ports/logs.ts';
import type { EventJournal, StoredEvent } from '../../src/core/ports/stores.ts';

const ENCODER = new TextEncoder();

/** Keeps only stdout, which is all that these tests write. */
export class MemoryLog implements ContainerLog {
  readonly path: string;
  text = '';
  finished = false;
  #changed = deferred<undefined>();

  constructor(path: string) {
    this.path = path;
  }

  get end(): LogPosition {
    return { stdout: BigInt(this.text.length), stderr: 0n };
  }

  async append(_stream: 'stdout' | 'stderr', offset: bigint, data: Uint8Array): Promise<void> {
    if (offset !== this.end.stdout) throw new Error(`append at ${offset}, end is ${this.end.stdout}`);
    this.text += new TextDecoder().decode(data);
    this.#wake();
  }

  async skip(): Promise<void> {
    throw new Error('nothing is lost in these tests');
  }

  async *read(options: { from?: LogPosition | undefined; follow: boolean }): AsyncIterable<LogEvent> {
    let at = Number(options.from?.stdout ?? 0n);
    for (;;) {
      const changed = this.#changed.promise;
      if (this.text.length > at) {
        const data = ENCODER.encode(this.text.slice(at));
        yield { kind: 'data', stream: 'stdout', offset: BigInt(at), data, atMs: 0 };
        at += data.length;
        continue;
      }
      if (this.finished || !options.follow) return;
      await changed;
    }
  }

  async finish(): Promise<void> {
    this.finished = true;
    this.#wake();
  }

  async close(): Promise<void> {
    this.#wake();
  }

  #wake(): void {
    const changed = this.#changed;
    this.#changed = deferred<undefined>();
    changed.resolve(undefined);
  }
}

/** Every event there was; none is ever dropped. */
export class MemoryJournal implements EventJournal {
  readonly #events: DomainEvent[];

  constructor(events: DomainEvent[]) {
    this.#events = events;
  }

  get last(): bigint {
    return BigInt(this.#events.length);
  }

  async append(event: DomainEvent): Promise<StoredEvent> {
    this.#events.push(event);
    return { sequence: this.last, event };
  }

  async after(sequence: bigint): Promise<{ readonly events: readonly StoredEvent[]; readonly oldest: bigint }> {
    return { events: this.#events.slice(Number(sequence)).map((event, index) => ({ sequence: sequence + BigInt(index) + 1n, event })), oldest: 1n };
  }
}
