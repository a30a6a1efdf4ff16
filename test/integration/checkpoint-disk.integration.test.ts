import { execFileSync } from 'node:child_process';
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DirectoryCheckpointStore } from '../../src/store/checkpoint-store.ts';
import { nodeStoreFiles } from '../../src/store/store-files.ts';
import { SANDBOX_ID, sandboxRecord } from '../fakes/records.ts';

/** A file system of its own, small enough to be full at once. */
let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'vv-disk-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k,mode=0700', 'vv-disk', root]);
});

afterEach(async () => {
  execFileSync('umount', [root]);
  await rm(root, { recursive: true });
});

function remount(how: 'ro' | 'rw'): void {
  execFileSync('mount', ['-o', `remount,${how}`, root]);
}

function fill(): string {
  const path = join(root, 'filler');
  const file = openSync(path, 'w');
  try {
    for (;;) writeSync(file, Buffer.alloc(4096));
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
    return path;
  } finally {
    closeSync(file);
  }
}

describe('a record on a file system', () => {
  it('that is full stays as it was, can be read, and is written once there is room', async () => {
    const store = new DirectoryCheckpointStore(root, nodeStoreFiles());
    await store.save(SANDBOX_ID, sandboxRecord({ epoch: 1 }));
    const filler = fill();
    await expect(store.save(SANDBOX_ID, sandboxRecord({ epoch: 2 }))).rejects.toMatchObject({ reason: 'STORAGE_FULL' });
    expect((await store.loadAll()).records[0]?.record.epoch).toBe(1);
    rmSync(filler);
    await store.save(SANDBOX_ID, sandboxRecord({ epoch: 2 }));
    expect((await store.loadAll()).records[0]?.record.epoch).toBe(2);
  });

  it('that became read-only stays as it was, can be read, and is written once it is writable', async () => {
    const store = new DirectoryCheckpointStore(root, nodeStoreFiles());
    await store.save(SANDBOX_ID, sandboxRecord({ epoch: 1 }));
    remount('ro');
    await expect(store.save(SANDBOX_ID, sandboxRecord({ epoch: 2 }))).rejects.toMatchObject({ reason: 'CHECKPOINT_FAILED' });
    await expect(store.remove(SANDBOX_ID)).rejects.toMatchObject({ reason: 'CHECKPOINT_FAILED' });
    expect((await store.loadAll()).records[0]?.record.epoch).toBe(1);
    remount('rw');
    await store.save(SANDBOX_ID, sandboxRecord({ epoch: 2 }));
    expect((await store.loadAll()).records[0]?.record.epoch).toBe(2);
  });
});
