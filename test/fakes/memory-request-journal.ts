import type { BegunRequest, KeptRequest, RequestJournal, RequestOutcome } from '../../src/core/ports/stores.ts';
import { RequestBook } from '../../src/daemon/services/request-book.ts';
import { SystemIdSource } from '../../src/host/id-source.ts';
import { ManualClock } from './manual-clock.ts';
import { MemoryLogger } from './memory-logger.ts';

interface Entry {
  readonly begun: BegunRequest;
  readonly outcome: RequestOutcome | undefined;
}

/** Requests in memory: what is in the map is what a killed daemon would have left. */
export class MemoryRequestJournal implements RequestJournal {
  readonly entries: Map<string, Entry>;
  readonly unfinished: readonly BegunRequest[];
  /** What the next begin fails with. */
  failure: Error | undefined;

  constructor(entries = new Map<string, Entry>()) {
    this.entries = entries;
    this.unfinished = [...entries.values()].filter(({ outcome }) => outcome === undefined).map(({ begun }) => begun);
  }

  find(id: string): KeptRequest | undefined {
    const entry = this.entries.get(id);
    return entry === undefined ? undefined : { begun: entry.begun, ended: entry.outcome !== undefined };
  }

  async outcome(id: string): Promise<RequestOutcome> {
    const outcome = this.entries.get(id)?.outcome;
    if (outcome === undefined) throw new Error(`request ${id} has not ended`);
    return outcome;
  }

  async begin(begun: BegunRequest): Promise<void> {
    this.entries.set(begun.id, { begun, outcome: undefined });
    if (this.failure !== undefined) throw this.failure;
  }

  async finish(begun: BegunRequest, outcome: RequestOutcome): Promise<void> {
    this.entries.set(begun.id, { begun, outcome });
  }

  async forget(id: string): Promise<void> {
    this.entries.delete(id);
  }
}

/** A book that forgets with its process. */
export function memoryRequests(): RequestBook {
  return new RequestBook({ journal: new MemoryRequestJournal(), clock: new ManualClock(), ids: new SystemIdSource(), logger: new MemoryLogger() });
}
