import { deferred, raceSignal, type Deferred } from '../../base/abort.ts';
import { DomainError } from '../../core/model/errors.ts';
import type { DomainEvent } from '../../core/model/events.ts';
import type { WaitOptions } from '../../core/ports/host.ts';
import type { EventJournal } from '../../core/ports/stores.ts';
import type { Logger, Metrics } from '../../core/ports/telemetry.ts';
import type { EventOperations, WatchedEvent } from './facade.ts';

/** Tells watchers what happened. Each reads the journal at its own pace: a slow one costs nothing and is told what it missed. */
export class EventHub implements EventOperations {
  readonly #journal: EventJournal;
  readonly #log: Logger;
  readonly #metrics: Pick<Metrics, 'dropped'>;
  #news: Deferred<undefined> = deferred<undefined>();
  #closed = false;

  constructor(journal: EventJournal, log: Logger, metrics: Pick<Metrics, 'dropped'>) {
    this.#journal = journal;
    this.#log = log;
    this.#metrics = metrics;
  }

  /** Only what is already in the sandbox's record is published. A journal that can't be written loses the event, never the sandbox. */
  async publish(event: DomainEvent): Promise<void> {
    try {
      await this.#journal.append(event);
    } catch (error) {
      this.#metrics.dropped('event');
      this.#log.error({ error, type: event.type, sandbox: event.sandboxId }, 'event not kept');
      return;
    }
    const news = this.#news;
    this.#news = deferred<undefined>();
    news.resolve(undefined);
  }

  /** Ends every watcher. */
  close(): void {
    this.#closed = true;
    this.#news.resolve(undefined);
  }

  async *watch(how: { readonly cursor: string; readonly follow: boolean }, options: WaitOptions): AsyncIterable<WatchedEvent> {
    let sequence = this.#start(how.cursor);
    if (sequence > this.#journal.last) {
      // Of another journal: nothing here says what its holder has seen. It gets what there is.
      const { oldest } = await this.#journal.after(0n);
      yield { kind: 'lost', afterCursor: how.cursor, nextCursor: String(oldest - 1n) };
      sequence = oldest - 1n;
    }
    while (!this.#closed) {
      const news = this.#news.promise;
      const { events, oldest } = await this.#journal.after(sequence);
      if (oldest > sequence + 1n && sequence < this.#journal.last) {
        yield { kind: 'lost', afterCursor: String(sequence), nextCursor: String(oldest - 1n) };
      }
      for (const stored of events) {
        sequence = stored.sequence;
        yield { kind: 'event', cursor: String(stored.sequence), event: stored.event };
      }
      if (events.length > 0) continue;
      if (!how.follow) return;
      await raceSignal(news, options.signal);
    }
  }

  #start(cursor: string): bigint {
    if (cursor === '') return this.#journal.last;
    if (!/^\d{1,20}$/.test(cursor)) {
      throw new DomainError('INVALID_REQUEST', `cursor ${JSON.stringify(cursor)} is not one of ours`, {
        fields: [{ field: 'cursor', description: 'must be a cursor from an event, "0" or empty' }],
        remedy: 'use the cursor of an event, "0" for the oldest that is kept, or nothing for what comes from now on',
      });
    }
    return BigInt(cursor);
  }
}
