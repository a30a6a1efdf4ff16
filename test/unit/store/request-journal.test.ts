import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DomainError } from '../../../src/core/model/errors.ts';
import type { BegunRequest, RequestOutcome } from '../../../src/core/ports/stores.ts';
import { FileRequestJournal } from '../../../src/store/request-journal.ts';
import { errno } from '../../fakes/faults.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { MemoryLogger } from '../../fakes/memory-logger.ts';
import { MemoryStoreFiles } from '../../fakes/memory-store-files.ts';

const HOUR_MS = 3_600_000;
const FIRST_FILE = '/requests/0000000001.requests';

class Bench {
  readonly files = new MemoryStoreFiles();
  readonly clock = new ManualClock();
  readonly logger = new MemoryLogger();

  async open(limits: { kept?: number; ageMs?: number; segmentBytes?: number } = {}): Promise<FileRequestJournal> {
    return await FileRequestJournal.open({ files: this.files, directory: '/requests', clock: this.clock, logger: this.logger, kept: 100, ageMs: 24 * HOUR_MS, ...limits });
  }

  begun(id: string, subject = 's'): BegunRequest {
    return { id, method: '/vivarium.v1.SandboxService/CreateSandbox', digest: 'd', beganAtMs: this.clock.wallMs(), subject };
  }

  text(path = FIRST_FILE): string {
    return this.files.content.get(path)?.toString() ?? '';
  }
}

function reply(text: string): RequestOutcome {
  return { kind: 'reply', bytes: Buffer.from(text) };
}

describe('the request journal', () => {
  it('gives the next daemon every request with its outcome, although nobody closed it', async () => {
    const bench = new Bench();
    const first = await bench.open();
    const error = new DomainError('NAME_IN_USE', 'tak\tén', { remedy: 'another', sandboxId: 'x', fields: [{ field: 'a', description: 'b' }], facts: { n: '1' } });
    await first.begin(bench.begun('replied'));
    await first.begin(bench.begun('failed'));
    await first.begin(bench.begun('open'));
    await first.finish(bench.begun('replied'), reply('\0\t\n'));
    await first.finish(bench.begun('failed'), { kind: 'error', error });
    const second = await bench.open();
    expect(second.find('replied')).toEqual({ begun: bench.begun('replied'), ended: true });
    expect(await second.outcome('replied')).toEqual(reply('\0\t\n'));
    expect(await second.outcome('failed')).toMatchObject({ kind: 'error', error: { reason: 'NAME_IN_USE', message: 'tak\tén', details: error.details } });
    expect(second.find('open')?.ended).toBe(false);
    expect(second.unfinished).toEqual([bench.begun('open')]);
    expect(second.find('never')).toBeUndefined();
  });

  it('keeps outcomes of any bytes', async () => {
    await fc.assert(fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 20 }), async (outcomes) => {
      const bench = new Bench();
      const journal = await bench.open();
      await Promise.all(outcomes.map(async (bytes, index) => { await journal.finish(bench.begun(String(index)), { kind: 'reply', bytes }); }));
      const again = await bench.open();
      const found = await Promise.all(outcomes.map(async (_, index) => await again.outcome(String(index))));
      expect(found.map((outcome) => outcome.kind === 'reply' && [...outcome.bytes])).toEqual(outcomes.map((bytes) => [...bytes]));
    }), { numRuns: 30 });
  });

  it('has written a request before begin resolves', async () => {
    const bench = new Bench();
    const journal = await bench.open();
    await journal.begin(bench.begun('r'));
    expect(bench.text()).toContain('"id":"r"');
  });

  it.each([1, 10, 60])('loses nothing but the line that a crash tore %i bytes before its end, and goes on behind it', async (torn) => {
    const bench = new Bench();
    const journal = await bench.open();
    await journal.begin(bench.begun('whole'));
    await journal.begin(bench.begun('torn'));
    bench.files.content.set(FIRST_FILE, (bench.files.content.get(FIRST_FILE) ?? Buffer.alloc(0)).subarray(0, -torn));
    const next = await bench.open();
    expect([next.find('whole')?.ended, next.find('torn')]).toEqual([false, undefined]);
    await next.begin(bench.begun('later'));
    const last = await bench.open();
    expect(last.unfinished.map(({ id }) => id)).toEqual(['whole', 'later']);
  });

  it('reads the lines around one that a power cut has spoiled, and says so', async () => {
    const bench = new Bench();
    const journal = await bench.open();
    for (const id of ['a', 'b', 'c']) await journal.finish(bench.begun(id), reply(id));
    const spoiled = bench.text().replace('"id":"b"', '\0\0\0\0\0\0\0\0');
    bench.files.content.set(FIRST_FILE, Buffer.from(spoiled));
    const next = await bench.open();
    expect(['a', 'b', 'c'].map((id) => next.find(id)?.ended)).toEqual([true, undefined, true]);
    expect(bench.logger.lines.map(({ message }) => message)).toContain('requests that a crash of the host has spoiled are not remembered');
  });

  it('leaves the file of another version as it is, and writes its own', async () => {
    const bench = new Bench();
    const foreign = Buffer.from('{"format":"vivarium.requests","version":2}\nsomething new\n');
    bench.files.content.set(FIRST_FILE, foreign);
    const journal = await bench.open();
    await journal.begin(bench.begun('r'));
    expect(bench.files.content.get(FIRST_FILE)).toEqual(foreign);
    expect([...bench.files.content.keys()]).toEqual([FIRST_FILE, '/requests/0000000002.requests']);
  });

  it('forgets what came to nothing, also for the next daemon', async () => {
    const bench = new Bench();
    const journal = await bench.open();
    await journal.begin(bench.begun('r'));
    await journal.forget('r');
    expect([journal.find('r'), (await bench.open()).find('r')]).toEqual([undefined, undefined]);
  });

  it('does not know a request any more once it is old', async () => {
    const bench = new Bench();
    const journal = await bench.open({ ageMs: HOUR_MS });
    await journal.finish(bench.begun('r'), reply('x'));
    await bench.clock.advance(HOUR_MS);
    expect(journal.find('r')?.ended).toBe(true);
    await bench.clock.advance(1);
    expect([journal.find('r'), (await bench.open({ ageMs: HOUR_MS })).find('r')]).toEqual([undefined, undefined]);
  });

  it('keeps at least as many as it should, and no more than a quarter above', async () => {
    const bench = new Bench();
    const journal = await bench.open({ kept: 100 });
    for (let number = 0; number < 1000; number += 1) {
      await journal.begin(bench.begun(String(number)));
      await journal.finish(bench.begun(String(number)), reply(String(number)));
    }
    const known = (last: FileRequestJournal): number => Array.from({ length: 1000 }, (_, number) => last.find(String(number))).filter((kept) => kept !== undefined).length;
    const again = await bench.open({ kept: 100 });
    expect([known(journal), known(again)].map((count) => count >= 100 && count <= 125)).toEqual([true, true]);
    expect(await again.outcome('900')).toEqual(reply('900'));
  });

  it('takes along what is still open when its file goes', async () => {
    const bench = new Bench();
    const journal = await bench.open({ kept: 100 });
    await journal.begin(bench.begun('slow'));
    for (let number = 0; number < 1000; number += 1) await journal.finish(bench.begun(String(number)), reply('x'));
    expect(bench.files.content.has(FIRST_FILE)).toBe(false);
    expect((await bench.open()).unfinished).toEqual([bench.begun('slow')]);
  });

  it('is bounded in bytes too', async () => {
    const bench = new Bench();
    const journal = await bench.open({ kept: 10_000, segmentBytes: 10_000 });
    for (let number = 0; number < 200; number += 1) await journal.finish(bench.begun(String(number)), reply('x'.repeat(1000)));
    const bytes = [...bench.files.content.values()].reduce((sum, content) => sum + content.length, 0);
    expect(bytes).toBeLessThan(60_000);
    expect(journal.find('199')?.ended).toBe(true);
  });

  it('refuses a begin that a full disk does not take, and writes it with the outcome once there is room', async () => {
    const bench = new Bench();
    const journal = await bench.open();
    await journal.begin(bench.begun('before'));
    bench.files.full = errno('ENOSPC');
    await expect(journal.begin(bench.begun('r'))).rejects.toMatchObject({ reason: 'STORAGE_FULL' });
    await journal.finish(bench.begun('r'), reply('done'));
    expect(await journal.outcome('r')).toEqual(reply('done'));
    bench.files.full = undefined;
    await journal.begin(bench.begun('after'));
    const next = await bench.open();
    expect(await next.outcome('r')).toEqual(reply('done'));
    expect(next.unfinished.map(({ id }) => id)).toEqual(['before', 'after']);
  });

  it('brings what it wrote to the disk within a second, once for many requests, and at its end', async () => {
    const bench = new Bench();
    const journal = await bench.open();
    for (const id of ['a', 'b', 'c']) await journal.begin(bench.begun(id));
    expect(bench.files.syncs).toBe(0);
    await bench.clock.advance(1000);
    expect(bench.files.syncs).toBe(1);
    await journal.close();
    expect(bench.files.syncs).toBe(2);
  });
});
