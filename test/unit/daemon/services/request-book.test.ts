import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { deferred } from '../../../../src/base/abort.ts';
import { DomainError } from '../../../../src/core/model/errors.ts';
import type { ErrorReason } from '../../../../src/core/model/errors.ts';
import { RequestBook } from '../../../../src/daemon/services/request-book.ts';
import type { Attempt, OnceRequest, Unfinished } from '../../../../src/daemon/services/request-book.ts';
import { MEMORY_OF_REASON } from '../../../../src/daemon/services/request-memory.ts';
import { ManualClock, settle } from '../../../fakes/manual-clock.ts';
import { MemoryLogger } from '../../../fakes/memory-logger.ts';
import { MemoryRequestJournal } from '../../../fakes/memory-request-journal.ts';

/** A daemon's book over a journal that outlives it, and one piece of work that the test ends. */
class Bench {
  journal = new MemoryRequestJournal();
  readonly clock = new ManualClock();
  readonly attempts: Attempt[] = [];
  /** What exists, for look-ups. */
  readonly made = new Set<string>();
  work: (attempt: Attempt) => Promise<string> = async () => 'done';
  #ids = 0;
  book = this.#newBook();

  /** What a kill -9 leaves is the journal as it is now. */
  restart(): void {
    this.journal = new MemoryRequestJournal(new Map(this.journal.entries));
    this.book = this.#newBook();
  }

  async send(change: Partial<OnceRequest<string>> = {}, signal?: AbortSignal): Promise<string> {
    const request: OnceRequest<string> = {
      id: 'r', method: '/s/Create', digest: 'd', subject: undefined, unfinished: 'look-up',
      work: async (attempt) => {
        this.attempts.push(attempt);
        return await this.work(attempt);
      },
      lookUp: async (subject) => (this.made.has(subject) ? `found ${subject}` : undefined),
      encode: (value) => Buffer.from(value),
      decode: (bytes) => Buffer.from(bytes).toString(),
      ...change,
    };
    return await this.book.once(request, signal);
  }

  #newBook(): RequestBook {
    return new RequestBook({ journal: this.journal, clock: this.clock, ids: { id: () => `id-${this.#ids += 1}` }, logger: new MemoryLogger() });
  }
}

function failing(reason: ErrorReason): () => Promise<string> {
  return async () => { throw new DomainError(reason, reason); };
}

describe('the same request again', () => {
  it('gets the first answer, without work', async () => {
    const bench = new Bench();
    bench.work = async ({ subject }) => `made ${subject}`;
    await expect(Promise.all([bench.send(), bench.send()])).resolves.toEqual(['made id-1', 'made id-1']);
    bench.restart();
    await expect(bench.send()).resolves.toBe('made id-1');
    expect(bench.attempts).toHaveLength(1);
  });

  it('gets the first error, with its details', async () => {
    const bench = new Bench();
    bench.work = async () => { throw new DomainError('NAME_IN_USE', 'taken', { remedy: 'another', sandboxId: 'x' }); };
    await expect(bench.send()).rejects.toMatchObject({ reason: 'NAME_IN_USE' });
    bench.restart();
    await expect(bench.send()).rejects.toMatchObject({ reason: 'NAME_IN_USE', message: 'taken', details: { remedy: 'another', sandboxId: 'x' } });
    expect(bench.attempts).toHaveLength(1);
  });

  it.each(Object.entries(MEMORY_OF_REASON) as [ErrorReason, string][])('after %s, which is %s, works again only if that says so', async (reason, memory) => {
    const bench = new Bench();
    bench.work = failing(reason);
    await expect(bench.send()).rejects.toMatchObject({ reason });
    bench.work = async () => 'done';
    const again = await bench.send().catch((error: unknown) => (error as DomainError).reason);
    expect(again).toBe(memory === 'final' ? reason : 'done');
  });

  it('is only free for another body when the first was invalid', async () => {
    const bench = new Bench();
    bench.work = failing('CAPACITY_EXHAUSTED');
    await expect(bench.send()).rejects.toMatchObject({ reason: 'CAPACITY_EXHAUSTED' });
    await expect(bench.send({ digest: 'other' })).rejects.toMatchObject({ reason: 'REQUEST_ID_CONFLICT' });
    bench.work = failing('INVALID_REQUEST');
    await expect(bench.send({ id: 'q' })).rejects.toMatchObject({ reason: 'INVALID_REQUEST' });
    bench.work = async () => 'done';
    await expect(bench.send({ id: 'q', digest: 'corrected' })).resolves.toBe('done');
  });
});

describe('another request with the same id', () => {
  it.each([
    ['another body', { digest: 'other' }],
    ['another method', { method: '/s/Delete' }],
  ])('of %s is refused: while the first runs, after it, after a restart', async (_what, change) => {
    const bench = new Bench();
    const end = deferred<string>();
    bench.work = async () => await end.promise;
    const first = bench.send();
    await expect(bench.send(change)).rejects.toMatchObject({ reason: 'REQUEST_ID_CONFLICT', details: { facts: { request_id: 'r', first_method: 's/Create', first_at: '2023-11-14T22:13:20.000Z', first_subject: 'id-1' } } });
    end.resolve('done');
    await first;
    await expect(bench.send(change)).rejects.toMatchObject({ reason: 'REQUEST_ID_CONFLICT' });
    bench.restart();
    await expect(bench.send(change)).rejects.toMatchObject({ reason: 'REQUEST_ID_CONFLICT' });
    expect(bench.attempts).toHaveLength(1);
  });
});

describe('callers of one request', () => {
  it('may go one by one: the work is told when the last has gone, and its own reason is what that one hears', async () => {
    const bench = new Bench();
    bench.work = async ({ signal }) => await new Promise((_resolve, reject) => { signal.addEventListener('abort', () => { reject(signal.reason as Error); }); });
    const [one, two] = [new AbortController(), new AbortController()];
    const calls = [bench.send({}, one.signal), bench.send({}, two.signal)];
    calls.forEach((call) => { call.catch(() => undefined); });
    await settle();
    one.abort(new DomainError('CANCELLED', 'one left'));
    await expect(calls[0]).rejects.toThrow('one left');
    expect(bench.attempts[0]?.signal.aborted).toBe(false);
    two.abort(new DomainError('CANCELLED', 'two left'));
    await expect(calls[1]).rejects.toThrow('two left');
    expect(bench.attempts[0]?.signal.aborted).toBe(true);
  });

  it('get the outcome when one of them goes', async () => {
    const bench = new Bench();
    const end = deferred<string>();
    bench.work = async () => await end.promise;
    const leaving = new AbortController();
    const calls = [bench.send({}, leaving.signal), bench.send()];
    calls[0]?.catch(() => undefined);
    await settle();
    leaving.abort(new DomainError('CANCELLED', 'left'));
    await expect(calls[0]).rejects.toThrow('left');
    end.resolve('done');
    await expect(calls[1]).resolves.toBe('done');
  });

  it('keep what was past its commit point when the last of them went', async () => {
    const bench = new Bench();
    const end = deferred<string>();
    bench.work = async () => await end.promise;
    const leaving = new AbortController();
    const call = bench.send({}, leaving.signal);
    await settle();
    leaving.abort(new DomainError('CANCELLED', 'left'));
    end.resolve('done all the same');
    await expect(call).resolves.toBe('done all the same');
    await expect(bench.send()).resolves.toBe('done all the same');
  });

  it('wait for the end of what was given up, and start anew', async () => {
    const bench = new Bench();
    const undone = deferred<undefined>();
    bench.work = async ({ signal }) => {
      await undone.promise;
      throw signal.reason;
    };
    const leaving = new AbortController();
    const first = bench.send({}, leaving.signal);
    first.catch(() => undefined);
    await settle();
    leaving.abort(new DomainError('CANCELLED', 'left'));
    await settle();
    const second = bench.send();
    await settle();
    expect(bench.attempts).toHaveLength(1);
    bench.work = async () => 'anew';
    undone.resolve(undefined);
    await expect(second).resolves.toBe('anew');
    expect(bench.attempts.map(({ subject }) => subject)).toEqual(['id-1', 'id-2']);
  });
});

describe('a request that a kill of the daemon cut short', () => {
  async function cut(unfinished: Unfinished): Promise<Bench> {
    const bench = new Bench();
    bench.work = async () => await new Promise(() => undefined);
    void bench.send({ unfinished });
    await settle();
    bench.restart();
    bench.work = async () => 'carried out';
    await bench.clock.advance(5000);
    return bench;
  }

  it('is answered from what it made', async () => {
    const bench = await cut('look-up');
    bench.made.add('id-1');
    await expect(bench.send()).resolves.toBe('found id-1');
    bench.made.clear();
    await expect(bench.send()).resolves.toBe('found id-1');
    expect(bench.attempts).toHaveLength(1);
  });

  it('is answered from what it made even if that was deleted since, once it was seen', async () => {
    const bench = await cut('look-up');
    bench.made.add('id-1');
    const [begun] = bench.book.unfinished;
    await bench.book.settle(begun ?? expect.fail('nothing is open'), { lookUp: async (subject) => `found ${subject}`, encode: (value) => Buffer.from(value) });
    bench.made.clear();
    await expect(bench.send()).resolves.toBe('found id-1');
  });

  it('is carried out anew, with another id, when what it was to make is not there', async () => {
    const bench = await cut('look-up');
    await expect(bench.send()).resolves.toBe('carried out');
    expect(bench.attempts.map(({ subject, begunAtMs }) => [subject, begunAtMs])).toEqual([['id-1', undefined], ['id-2', undefined]]);
  });

  it('is carried out again, told since when it may have been done', async () => {
    const bench = await cut('again');
    await expect(bench.send({ unfinished: 'again' })).resolves.toBe('carried out');
    expect(bench.attempts[1]).toMatchObject({ subject: 'id-1', begunAtMs: 1_700_000_000_000 });
  });

  it('is not carried out again when that could do it twice', async () => {
    const bench = await cut('unknown');
    await expect(bench.send({ unfinished: 'unknown' })).rejects.toMatchObject({ reason: 'REQUEST_OUTCOME_UNKNOWN' });
    await expect(bench.send({ unfinished: 'unknown' })).rejects.toMatchObject({ reason: 'REQUEST_OUTCOME_UNKNOWN' });
    expect(bench.attempts).toHaveLength(1);
  });
});

describe('a journal that can not be written', () => {
  it.each([
    ['refuses what would make something', 'look-up', 'STORAGE_FULL', 0],
    ['hinders nothing else', 'again', 'done', 1],
  ] as const)('%s', async (_what, unfinished, expected, times) => {
    const bench = new Bench();
    bench.journal.failure = new DomainError('STORAGE_FULL', 'full');
    await expect(bench.send({ unfinished }).catch((error: unknown) => (error as DomainError).reason)).resolves.toBe(expected);
    expect(bench.attempts).toHaveLength(times);
  });
});

describe('any calls with any ids, in any order, with restarts between', () => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('send' as const), id: fc.constantFrom('a', 'b', 'c'), digest: fc.constantFrom('x', 'x', 'x', 'y') }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('finish' as const), which: fc.nat(20) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('leave' as const), which: fc.nat(20) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const) }) },
  );

  it('make one thing for each id, and all who hear of it hear of the same', async () => {
    await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const bench = new Bench();
      const made = new Map<string, string[]>();
      const open: (() => void)[] = [];
      const callers: AbortController[] = [];
      const answers = new Map<string, Set<string>>();
      let generation = 0;
      const send = (id: string, digest: string): void => {
        const caller = new AbortController();
        const sentIn = generation;
        callers.push(caller);
        const work = async ({ subject, signal }: Attempt): Promise<string> => {
          await new Promise<void>((resolve, reject) => {
            open.push(resolve);
            signal.addEventListener('abort', () => { reject(signal.reason as Error); });
          });
          // A killed daemon makes nothing any more.
          if (sentIn !== generation) return await new Promise(() => undefined);
          made.set(`${id} ${digest}`, [...(made.get(`${id} ${digest}`) ?? []), subject]);
          bench.made.add(subject);
          return subject;
        };
        const lookUp = async (subject: string): Promise<string | undefined> => (bench.made.has(subject) ? subject : undefined);
        bench.send({ id, digest, work, lookUp }, caller.signal).then(
          (answer) => { answers.set(id, (answers.get(id) ?? new Set()).add(answer)); },
          (error: unknown) => { expect(['REQUEST_ID_CONFLICT', 'CANCELLED']).toContain((error as DomainError).reason); },
        );
      };
      for (const action of steps) {
        if (action.kind === 'send') send(action.id, action.digest);
        else if (action.kind === 'finish') open[action.which % Math.max(1, open.length)]?.();
        else if (action.kind === 'leave') callers[action.which % Math.max(1, callers.length)]?.abort(new DomainError('CANCELLED', 'left'));
        else {
          generation += 1;
          bench.restart();
        }
        await settle();
      }
      for (const things of made.values()) expect(things).toHaveLength(1);
      for (const id of ['a', 'b', 'c']) {
        expect([...made.keys()].filter((key) => key.startsWith(id)).length).toBeLessThanOrEqual(1);
        expect(answers.get(id)?.size ?? 0).toBeLessThanOrEqual(1);
      }
    }), { numRuns: 200 });
  });
});
