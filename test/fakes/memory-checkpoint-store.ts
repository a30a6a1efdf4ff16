import type { SandboxRecord } from '../../src/core/model/record.ts';
import type { CheckpointStore, StoredRecord, UnreadableRecord } from '../../src/core/ports/stores.ts';
import { decodeRecord, encodeRecord, RecordError } from '../../src/store/records.ts';

/** A second implementation of the port: records in memory, in the same bytes. */
export class MemoryCheckpointStore implements CheckpointStore {
  readonly files = new Map<string, Uint8Array>();

  directory(id: string): string {
    return `/memory/${id}`;
  }

  async save(id: string, record: SandboxRecord): Promise<void> {
    this.files.set(id, encodeRecord(record));
  }

  async remove(id: string): Promise<void> {
    this.files.delete(id);
  }

  async loadAll(): Promise<{ records: readonly StoredRecord[]; unreadable: readonly UnreadableRecord[] }> {
    const records: StoredRecord[] = [];
    const unreadable: UnreadableRecord[] = [];
    for (const [id, bytes] of [...this.files].sort(([a], [b]) => (a < b ? -1 : 1))) {
      try {
        records.push({ id, record: decodeRecord(bytes) });
      } catch (error) {
        if (!(error instanceof RecordError)) throw error;
        unreadable.push({ id, problem: error.message, fromTheFuture: error.fromTheFuture });
      }
    }
    return { records, unreadable };
  }
}
