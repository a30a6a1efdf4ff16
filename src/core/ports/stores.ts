import type { SandboxRecord } from '../model/record.ts';
import type { DomainEvent } from '../model/events.ts';

export interface StoredRecord {
  readonly id: string;
  readonly record: SandboxRecord;
}

/** A record that is there and can't be read: set aside, its VM left alone. */
export interface UnreadableRecord {
  readonly id: string;
  readonly problem: string;
  /** True when a newer version wrote it. */
  readonly fromTheFuture: boolean;
}

/** One record a sandbox, each published whole: write, fsync, rename, fsync of the directory. */
export interface CheckpointStore {
  save(id: string, record: SandboxRecord): Promise<void>;
  remove(id: string): Promise<void>;
  loadAll(): Promise<{ readonly records: readonly StoredRecord[]; readonly unreadable: readonly UnreadableRecord[] }>;
  /** The directory of a sandbox's lasting state. */
  directory(id: string): string;
}

export interface StoredEvent {
  /** Grows by one; never used twice, also after a restart. */
  readonly sequence: bigint;
  readonly event: DomainEvent;
}

/** The events that are kept, in a bounded journal on disk. */
export interface EventJournal {
  append(event: DomainEvent): Promise<StoredEvent>;
  /** Events after a sequence number, oldest first, and the oldest number kept. */
  after(sequence: bigint): Promise<{ readonly events: readonly StoredEvent[]; readonly oldest: bigint }>;
  readonly last: bigint;
}
