import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SandboxRecord } from '../../src/core/model/record.ts';
import type { CheckpointStore } from '../../src/core/ports/stores.ts';
import { DirectoryCheckpointStore } from '../../src/store/checkpoint-store.ts';
import { nodeStoreFiles } from '../../src/store/store-files.ts';
import { fullRecord } from '../fakes/full-record.ts';
import { MemoryCheckpointStore } from '../fakes/memory-checkpoint-store.ts';
import { SANDBOX_ID, sandboxRecord } from '../fakes/records.ts';

const OTHER_ID = '0190f4a8b7c27def8a12b3c4d5e6f709';

interface Subject {
  readonly store: CheckpointStore;
  /** Another daemon on the same place. */
  readonly reopen: () => CheckpointStore;
}

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'vv-store-'));
});

afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

const subjects: Readonly<Record<string, () => Subject>> = {
  'a directory a sandbox': () => ({ store: new DirectoryCheckpointStore(root, nodeStoreFiles()), reopen: () => new DirectoryCheckpointStore(root, nodeStoreFiles()) }),
  memory: () => {
    const store = new MemoryCheckpointStore();
    return { store, reopen: () => store };
  },
};

async function loaded(store: CheckpointStore): Promise<readonly SandboxRecord[]> {
  return (await store.loadAll()).records.map((stored) => stored.record);
}

describe.each(Object.entries(subjects))('CheckpointStore in %s', (_name, make) => {
  it('is empty at first', async () => {
    expect(await make().store.loadAll()).toEqual({ records: [], unreadable: [] });
  });

  it('gives another daemon what was saved, by id', async () => {
    const { store, reopen } = make();
    await store.save(OTHER_ID, sandboxRecord({ id: OTHER_ID }));
    await store.save(SANDBOX_ID, fullRecord());
    const { records } = await reopen().loadAll();
    expect(records).toEqual([{ id: SANDBOX_ID, record: fullRecord() }, { id: OTHER_ID, record: sandboxRecord({ id: OTHER_ID }) }]);
  });

  it('keeps the last of many saves that overlap', async () => {
    const { store, reopen } = make();
    await Promise.all(Array.from({ length: 50 }, async (_, epoch) => { await store.save(SANDBOX_ID, sandboxRecord({ epoch })); }));
    expect(await loaded(reopen())).toEqual([sandboxRecord({ epoch: 49 })]);
  });

  it('a save is there when it resolves, also between others', async () => {
    const { store, reopen } = make();
    const rest: Promise<void>[] = [];
    for (let epoch = 0; epoch < 10; epoch += 1) {
      const saved = store.save(SANDBOX_ID, sandboxRecord({ epoch }));
      rest.push(store.save(OTHER_ID, sandboxRecord({ id: OTHER_ID, epoch })));
      await saved;
      expect((await loaded(reopen()))[0]).toEqual(sandboxRecord({ epoch }));
    }
    await Promise.all(rest);
  });

  it('removes, any number of times, and takes the same id again', async () => {
    const { store, reopen } = make();
    await store.save(SANDBOX_ID, sandboxRecord());
    await store.remove(SANDBOX_ID);
    await store.remove(SANDBOX_ID);
    expect(await loaded(reopen())).toEqual([]);
    await store.save(SANDBOX_ID, sandboxRecord({ epoch: 9 }));
    expect(await loaded(reopen())).toEqual([sandboxRecord({ epoch: 9 })]);
  });

  it('a removal that overlaps saves wins when it came last', async () => {
    const { store, reopen } = make();
    await Promise.all([store.save(SANDBOX_ID, sandboxRecord()), store.save(SANDBOX_ID, sandboxRecord({ epoch: 2 })), store.remove(SANDBOX_ID)]);
    expect(await loaded(reopen())).toEqual([]);
  });

  it('refuses a record that is too large and keeps the one before', async () => {
    const { store, reopen } = make();
    await store.save(SANDBOX_ID, sandboxRecord());
    await expect(store.save(SANDBOX_ID, sandboxRecord({ consoleTail: 'x'.repeat(5_000_000) }))).rejects.toThrow(/4194304/);
    expect(await loaded(reopen())).toEqual([sandboxRecord()]);
  });

  it('names a directory of its own for each id', () => {
    const { store } = make();
    expect(store.directory(SANDBOX_ID)).not.toBe(store.directory(OTHER_ID));
  });
});
