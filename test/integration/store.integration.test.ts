import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DomainEvent } from '../../src/core/model/events.ts';
import type { StoredEvent } from '../../src/core/ports/stores.ts';
import { DirectoryCheckpointStore } from '../../src/store/checkpoint-store.ts';
import { FileEventJournal } from '../../src/store/event-journal.ts';
import type { JournalOptions } from '../../src/store/event-journal.ts';
import { nodeStoreFiles } from '../../src/store/store-files.ts';
import { withFaults } from '../fakes/faults.ts';
import { SANDBOX_ID, sandboxRecord } from '../fakes/records.ts';

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'vv-store-'));
});

afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

describe('checkpoints on a disk', () => {
  const recordFile = (): string => join(root, 'sandboxes', SANDBOX_ID, 'record.json');

  it.each([
    ['ENOSPC', 'STORAGE_FULL'],
    ['EDQUOT', 'STORAGE_FULL'],
    ['EROFS', 'CHECKPOINT_FAILED'],
    ['EIO', 'CHECKPOINT_FAILED'],
  ])('a write that fails with %s is %s and leaves the old record; the next write is fine', async (code, reason) => {
    const files = withFaults(nodeStoreFiles());
    const store = new DirectoryCheckpointStore(root, files.target);
    await store.save(SANDBOX_ID, sandboxRecord({ epoch: 1 }));
    files.fail('publish', code);
    await expect(store.save(SANDBOX_ID, sandboxRecord({ epoch: 2 }))).rejects.toMatchObject({ reason });
    expect((await store.loadAll()).records[0]?.record.epoch).toBe(1);
    await store.save(SANDBOX_ID, sandboxRecord({ epoch: 3 }));
    expect((await store.loadAll()).records[0]?.record.epoch).toBe(3);
  });

  it('a burst of saves of one id costs two writes', async () => {
    const files = withFaults(nodeStoreFiles());
    const store = new DirectoryCheckpointStore(root, files.target);
    await Promise.all(Array.from({ length: 100 }, async (_, epoch) => { await store.save(SANDBOX_ID, sandboxRecord({ epoch })); }));
    expect(files.count('publish')).toBe(2);
  });

  it('what a crash left of a write is no record, and the next write replaces it', async () => {
    const store = new DirectoryCheckpointStore(root, nodeStoreFiles());
    await store.save(SANDBOX_ID, sandboxRecord({ epoch: 1 }));
    await writeFile(`${recordFile()}.new`, '{"format":"viva');
    expect((await store.loadAll()).records[0]?.record.epoch).toBe(1);
    await store.save(SANDBOX_ID, sandboxRecord({ epoch: 2 }));
    expect(await readdir(dirname(recordFile()))).toEqual(['record.json']);
  });

  it('a directory without a record is no sandbox', async () => {
    await mkdir(join(root, 'sandboxes', SANDBOX_ID), { recursive: true });
    expect(await new DirectoryCheckpointStore(root, nodeStoreFiles()).loadAll()).toEqual({ records: [], unreadable: [] });
  });

  it.each([
    ['garbage', 'garbage', false],
    ['a record from the future', '{"format":"vivarium.sandbox","version":99}', true],
    ['the record of another sandbox', JSON.stringify({ format: 'vivarium.sandbox', version: 1 }), false],
  ])('%s is reported, left as it is, and hides no other', async (_case, text, fromTheFuture) => {
    const store = new DirectoryCheckpointStore(root, nodeStoreFiles());
    await store.save('other', sandboxRecord({ id: 'other' }));
    await mkdir(dirname(recordFile()), { recursive: true });
    await writeFile(recordFile(), text);
    const { records, unreadable } = await store.loadAll();
    expect(records.map((stored) => stored.id)).toEqual(['other']);
    expect(unreadable).toMatchObject([{ id: SANDBOX_ID, fromTheFuture }]);
    expect(await readFile(recordFile(), 'utf8')).toBe(text);
  });

  it('a removal takes the whole directory, also one that a crash cut short', async () => {
    const store = new DirectoryCheckpointStore(root, nodeStoreFiles());
    await store.save(SANDBOX_ID, sandboxRecord());
    await mkdir(join(store.directory(SANDBOX_ID), 'containers', 'c', 'log'), { recursive: true });
    await mkdir(join(root, 'sandboxes', '.removed-0000', 'containers'), { recursive: true });
    await store.remove(SANDBOX_ID);
    await store.loadAll();
    expect(await readdir(join(root, 'sandboxes'))).toEqual([]);
  });

  it('an id can not lead out of the directory', () => {
    expect(() => new DirectoryCheckpointStore(root, nodeStoreFiles()).directory('../etc')).toThrow(RangeError);
  });
});

describe('the event journal of a newer version', () => {
  it('is refused before anything is touched, and left as it is', async () => {
    const directory = join(root, 'events');
    await mkdir(directory, { recursive: true });
    const files = { 'head.json': '{"format":"vivarium.events","version":2}', '00000000000000000001.jsonl': 'something new\n' };
    for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text);
    await expect(FileEventJournal.open({ files: nodeStoreFiles(), directory, bootId: 'b' })).rejects.toMatchObject({ reason: 'CHECKPOINT_FAILED', message: expect.stringMatching(/newer vivd/) as string });
    for (const [name, text] of Object.entries(files)) expect(await readFile(join(directory, name), 'utf8')).toBe(text);
  });
});

describe('the event journal', () => {
  const journals: FileEventJournal[] = [];
  afterEach(async () => {
    for (const journal of journals.splice(0)) await journal.close();
  });
  const event = (message: string): DomainEvent => ({ type: 'SANDBOX_READY', atMs: 1, sandboxId: SANDBOX_ID, containerId: '', name: 'sb', message, attributes: {} });
  const options = (change: Partial<JournalOptions> = {}): JournalOptions => ({ files: nodeStoreFiles(), directory: join(root, 'events'), bootId: 'boot-1', ...change });

  /** All are closed after the test: one that is left open stands for a daemon that was killed. */
  async function opened(how: JournalOptions): Promise<FileEventJournal> {
    const journal = await FileEventJournal.open(how);
    journals.push(journal);
    return journal;
  }

  async function filled(journal: FileEventJournal, count: number): Promise<readonly StoredEvent[]> {
    return await Promise.all(Array.from({ length: count }, async (_, index) => await journal.append(event(String(index)))));
  }

  async function numbersAfter(journal: FileEventJournal, sequence: bigint): Promise<readonly bigint[]> {
    return (await journal.after(sequence)).events.map((stored) => stored.sequence);
  }

  it('numbers events from 1 and gives them back as they were', async () => {
    const journal = await opened(options());
    const full: DomainEvent = { ...event('x'), type: 'CONTAINER_EXITED', cause: 'CONTAINER_EXIT', exitCode: 7, attributes: { a: 'ü\n' } };
    const stored = await journal.append(full);
    expect(stored).toEqual({ sequence: 1n, event: full });
    expect(await journal.after(0n)).toEqual({ events: [stored], oldest: 1n });
    expect(await journal.after(1n)).toEqual({ events: [], oldest: 1n });
  });

  it('goes on where it was after the daemon was killed, without closing', async () => {
    await filled(await opened(options()), 3);
    const journal = await opened(options());
    expect(journal.last).toBe(3n);
    await filled(journal, 2);
    expect(await numbersAfter(journal, 0n)).toEqual([1n, 2n, 3n, 4n, 5n]);
  });

  it('never uses a number again after the host crashed, and tells of the hole', async () => {
    await filled(await opened(options()), 3);
    const journal = await opened(options({ bootId: 'boot-2' }));
    const [first] = await filled(journal, 1);
    expect(first?.sequence).toBeGreaterThan(10_000n);
    expect(await numbersAfter(journal, 1n)).toEqual([2n, 3n]);
    expect(await journal.after(3n)).toEqual({ events: [first], oldest: first?.sequence });
  });

  it('leaves no hole over a restart of the host when it was closed', async () => {
    const before = await opened(options());
    await filled(before, 3);
    await before.close();
    const journal = await opened(options({ bootId: 'boot-2' }));
    expect((await filled(journal, 1))[0]?.sequence).toBe(4n);
  });

  it('cuts a torn last line and uses its number, for nobody was told of it', async () => {
    await filled(await opened(options()), 2);
    const file = join(root, 'events', `${'1'.padStart(20, '0')}.jsonl`);
    await writeFile(file, '{"sequence":"3","event":{"ty', { flag: 'a' });
    const journal = await opened(options());
    await filled(journal, 1);
    expect(await numbersAfter(journal, 0n)).toEqual([1n, 2n, 3n]);
  });

  it('goes on behind the reserved numbers when its middle is damaged, and keeps the damaged file', async () => {
    await filled(await opened(options()), 5);
    const file = join(root, 'events', `${'1'.padStart(20, '0')}.jsonl`);
    const lines = (await readFile(file, 'utf8')).split('\n');
    await writeFile(file, [lines[0], 'x', ...lines.slice(2)].join('\n'));
    const journal = await opened(options());
    expect((await filled(journal, 1))[0]?.sequence).toBeGreaterThan(10_000n);
    expect(await readFile(file, 'utf8')).toContain(lines[4]);
  });

  it('keeps a bounded number of events and says which is the oldest', async () => {
    const journal = await opened(options({ limits: { segmentBytes: 1_000_000, segmentEvents: 10, segments: 2 } }));
    for (let index = 0; index < 35; index += 1) await journal.append(event(String(index)));
    expect(await journal.after(0n)).toMatchObject({ oldest: 21n });
    expect(await numbersAfter(journal, 28n)).toEqual([29n, 30n]);
    expect(await readdir(join(root, 'events'))).toHaveLength(3);
  });

  it('gives many events in bounded parts', async () => {
    const journal = await opened(options());
    await filled(journal, 1_200);
    const seen: bigint[] = [];
    for (let part = await numbersAfter(journal, 0n); part.length > 0; part = await numbersAfter(journal, seen.at(-1) ?? 0n)) {
      expect(part.length).toBeLessThanOrEqual(512);
      seen.push(...part);
    }
    expect(seen).toEqual(Array.from({ length: 1_200 }, (_, index) => BigInt(index + 1)));
  });

  it('a full disk refuses the event, and its number goes to the next', async () => {
    const files = withFaults(nodeStoreFiles());
    const journal = await opened(options({ files: files.target }));
    files.fail('publish', 'ENOSPC');
    await expect(journal.append(event('lost'))).rejects.toMatchObject({ reason: 'STORAGE_FULL' });
    expect((await journal.append(event('kept'))).sequence).toBe(1n);
  });
});
