import type { DomainError } from '../model/errors.ts';
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

/** A mutating request as it is kept before its work begins. */
export interface BegunRequest {
  /** The caller's request id, not empty. */
  readonly id: string;
  /** `/vivarium.v1.SandboxService/CreateSandbox` */
  readonly method: string;
  /** SHA-256 of the request without its id, in hex. */
  readonly digest: string;
  readonly beganAtMs: number;
  /** The full id of what it makes, or of what its reference meant when it began; empty when that was nothing. */
  readonly subject: string;
}

/** How a request ended: the reply's bytes as they went over the wire, or the error. */
export type RequestOutcome =
  | { readonly kind: 'reply'; readonly bytes: Uint8Array }
  | { readonly kind: 'error'; readonly error: DomainError };

export interface KeptRequest {
  readonly begun: BegunRequest;
  /** False: it began and nothing is known of its end. */
  readonly ended: boolean;
}

/** The mutating requests of the last while, in a bounded journal that outlives what they were about. */
export interface RequestJournal {
  /** Undefined when there is no such id, or it is too long ago. */
  find(id: string): KeptRequest | undefined;
  /** Of a request that has ended. Rejects CHECKPOINT_FAILED when it can't be read. */
  outcome(id: string): Promise<RequestOutcome>;
  /** On the file when it resolves. When it rejects, the request is known to this process only. */
  begin(begun: BegunRequest): Promise<void>;
  /** Never rejects: what can't be written is kept in memory and written later. */
  finish(begun: BegunRequest, outcome: RequestOutcome): Promise<void>;
  /** Nothing came of it: the id is free again. Never rejects. */
  forget(id: string): Promise<void>;
  /** Those that an earlier process began and did not end. */
  readonly unfinished: readonly BegunRequest[];
}
