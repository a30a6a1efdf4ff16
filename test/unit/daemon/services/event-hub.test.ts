import { describe, expect, it } from 'vitest';
import type { DomainEvent } from '../../../../src/core/model/events.ts';
import type { EventJournal, StoredEvent } from '../../../../src/core/ports/stores.ts';
import { EventHub } from '../../../../src/daemon/services/event-hub.ts';
import { MemoryLogger } from '../../../fakes/memory-logger.ts';
import { NullMetrics } from '../../../fakes/null-metrics.ts';

const event = (name: string): DomainEvent => ({ type: 'SANDBOX_READY', atMs: 1, sandboxId: 's', containerId: '', name, message: '', attributes: {} });

/** Keeps the newest few. */
class ShortJournal implements EventJournal {
  readonly #kept: StoredEvent[] = [];
  readonly #most: number;
  last: bigint;

  constructor(most: number, last = 0n) {
    this.#most = most;
    this.last = last;
  }

  async append(added: DomainEvent): Promise<StoredEvent> {
    this.last += 1n;
    const stored = { sequence: this.last, event: added };
    this.#kept.push(stored);
    if (this.#kept.length > this.#most) this.#kept.shift();
    return stored;
  }

  async after(sequence: bigint): Promise<{ readonly events: readonly StoredEvent[]; readonly oldest: bigint }> {
    return { events: this.#kept.filter((stored) => stored.sequence > sequence), oldest: this.#kept[0]?.sequence ?? this.last + 1n };
  }
}

async function hub(journal: EventJournal, ...names: readonly string[]): Promise<EventHub> {
  const made = new EventHub(journal, new MemoryLogger(), new NullMetrics());
  for (const name of names) await made.publish(event(name));
  return made;
}

/** What a watcher is told that wants no more than there is. */
async function told(of: EventHub, cursor: string): Promise<readonly string[]> {
  const all: string[] = [];
  for await (const watched of of.watch({ cursor, follow: false }, {})) all.push(watched.kind === 'event' ? `${watched.cursor} ${watched.event.name}` : `lost after ${watched.afterCursor}, on from ${watched.nextCursor}`);
  return all;
}

describe('an event', () => {
  it('that the journal can not take is counted and logged, and fails nothing', async () => {
    const metrics = new NullMetrics();
    const logger = new MemoryLogger();
    const full: EventJournal = { last: 0n, append: async () => { throw new Error('no space'); }, after: async () => ({ events: [], oldest: 1n }) };
    await expect(new EventHub(full, logger, metrics).publish(event('a'))).resolves.toBeUndefined();
    expect(metrics.droppedNames).toEqual(['event']);
    expect(logger.lines.map(({ level }) => level)).toEqual(['error']);
  });
});

describe('a watcher', () => {
  it('gets what came after its cursor', async () => {
    const events = await hub(new ShortJournal(9), 'a', 'b', 'c');
    await expect(told(events, '1')).resolves.toEqual(['2 b', '3 c']);
    await expect(told(events, '3')).resolves.toEqual([]);
  });

  it('has its cursor taken by the next daemon', async () => {
    const journal = new ShortJournal(9);
    await hub(journal, 'a', 'b');
    await expect(told(await hub(journal, 'c'), '1')).resolves.toEqual(['2 b', '3 c']);
  });

  it('is told LOST when what came after its cursor is not kept any more, and goes on with the oldest', async () => {
    await expect(told(await hub(new ShortJournal(2), 'a', 'b', 'c', 'd'), '1')).resolves.toEqual(['lost after 1, on from 2', '3 c', '4 d']);
  });

  it('is told LOST when its cursor is of another journal, and does not wait for that number', async () => {
    await expect(told(await hub(new ShortJournal(9), 'a', 'b'), '500')).resolves.toEqual(['lost after 500, on from 0', '1 a', '2 b']);
  });

  it('is refused for what is no cursor', async () => {
    await expect(told(await hub(new ShortJournal(9)), 'yesterday')).rejects.toMatchObject({ reason: 'INVALID_REQUEST', details: { fields: [{ field: 'cursor' }] } });
  });

  it('hears what comes, and ends with the reason of its signal', async () => {
    const events = await hub(new ShortJournal(9), 'before');
    const caller = new AbortController();
    const watching = events.watch({ cursor: '', follow: true }, { signal: caller.signal })[Symbol.asyncIterator]();
    const next = watching.next();
    await events.publish(event('after'));
    expect((await next).value).toMatchObject({ kind: 'event', cursor: '2', event: { name: 'after' } });
    const end = expect(watching.next()).rejects.toThrow('gone');
    caller.abort(new Error('gone'));
    await end;
  });
});
