import { raceSignal, throwIfAborted } from '../../base/abort.ts';
import { Serial } from '../../base/serial.ts';
import { RESOURCE_KINDS, type ResourceKind } from '../../core/model/ledger.ts';
import type { Clock, WaitOptions } from '../../core/ports/host.ts';
import type { FoundResource, Ledger } from '../../core/ports/ledger.ts';
import type { LedgerMetrics, Logger } from '../../core/ports/telemetry.ts';
import { compare, identityOf, type AuditedResource, type AuditState } from './audit-compare.ts';
import type { Claims } from './claims.ts';
import { Reaper, type Reaped, type Resisting } from './reaper.ts';

/** What seems wrong is looked at again after this long before it is called so. */
const LOOK_AGAIN_MS = 500;

export interface AuditCount {
  readonly kind: ResourceKind;
  readonly state: AuditState;
  readonly count: number;
}

export interface AuditReport extends Reaped {
  readonly resources: readonly AuditedResource[];
  readonly counts: readonly AuditCount[];
}

export interface AuditParts {
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: LedgerMetrics;
  readonly instance: string;
  readonly claims: () => Claims;
  /** The instance that launched what is in a sandbox's run directory; undefined when nothing there tells. */
  readonly instanceOf: (owner: string) => Promise<string | undefined>;
  /** Deletes again the sandboxes that are `failed`, and answers those that resist. */
  readonly retryFailed: () => Promise<readonly Resisting[]>;
  /** Tells watchers what was taken away. */
  readonly announce: (removed: AuditedResource) => Promise<void>;
}

export interface AuditRequest {
  readonly reap: boolean;
  /** Also delete again the sandboxes that are `failed`. */
  readonly retryFailed: boolean;
}

/**
 * Compares the host with the records. Looks are taken one after the other; each asks the records before and after the host, and a
 * verdict against a resource is passed only when two looks agree.
 */
export class Audit {
  readonly #parts: AuditParts;
  readonly #serial = new Serial();

  constructor(parts: AuditParts) {
    this.#parts = parts;
  }

  /** Rejects with the signal's reason, or with why a kind could not be looked for. */
  async run(request: AuditRequest, options: WaitOptions = {}): Promise<AuditReport> {
    return await raceSignal(this.#serial.run(() => this.#run(request, options)), options.signal);
  }

  async #run(request: AuditRequest, options: WaitOptions): Promise<AuditReport> {
    throwIfAborted(options.signal);
    const failed = request.retryFailed ? await this.#parts.retryFailed() : [];
    const first = await this.#settledLook(options);
    const orphans = first.filter(({ state }) => state === 'orphaned');
    if (!request.reap || orphans.length === 0) return this.#report(first, { removed: [], resisting: failed });
    const { removed, resisting } = await this.#reap(orphans, options);
    return this.#report(await this.#settledLook(options), { removed, resisting: [...failed, ...resisting] });
  }

  async #reap(orphans: readonly AuditedResource[], options: WaitOptions): Promise<Reaped> {
    const { ledger, clock, log, claims, metrics, announce } = this.#parts;
    const isOrphan = (found: FoundResource): boolean => {
      const now = claims();
      return compare([found], now, now)[0]?.state === 'orphaned';
    };
    const reaped = await new Reaper({ ledger, clock, log, isOrphan }).reap(orphans, options);
    for (const removed of reaped.removed) {
      metrics.reaped(removed.kind);
      await announce(removed);
    }
    return reaped;
  }

  #report(resources: readonly AuditedResource[], reaped: Reaped): AuditReport {
    const counts = countsOf(resources);
    this.#parts.metrics.ledger(counts);
    return { resources, counts, ...reaped };
  }

  /** What seems orphaned or missing once is in flight; twice, it is so. */
  async #settledLook(options: WaitOptions): Promise<readonly AuditedResource[]> {
    const first = await this.#look(options);
    const suspected = new Set(first.filter(isSuspect).map(identityOf));
    if (suspected.size === 0) return first;
    await this.#parts.clock.sleep(LOOK_AGAIN_MS, options);
    const second = await this.#look(options);
    return await this.#withoutForeign(second.map((resource) => isSuspect(resource) && !suspected.has(identityOf(resource)) ? { ...resource, state: 'in-flight', detail: 'seen for the first time' } : resource));
  }

  async #look(options: WaitOptions): Promise<readonly AuditedResource[]> {
    const { ledger, claims } = this.#parts;
    const before = claims();
    const found = await Promise.all(RESOURCE_KINDS.map((kind) => ledger[kind].find(options)));
    return compare(found.flat(), before, claims());
  }

  /** A run directory that another instance launched into is not ours to clear, whatever directory of records we were given. */
  async #withoutForeign(resources: readonly AuditedResource[]): Promise<readonly AuditedResource[]> {
    const { instance, instanceOf } = this.#parts;
    const owners = [...new Set(resources.flatMap(({ state, found }) => (state === 'orphaned' && found?.owner !== undefined ? [found.owner] : [])))];
    const instances = new Map(await Promise.all(owners.map(async (owner) => [owner, await instanceOf(owner)] as const)));
    return resources.map((resource) => {
      const other = resource.state === 'orphaned' ? instances.get(resource.found?.owner ?? '') : undefined;
      return other === undefined || other === instance ? resource : { ...resource, state: 'unreadable', detail: `made by instance ${other}, whose records are not in this root directory` };
    });
  }
}

export function isSuspect({ state }: Pick<AuditedResource, 'state'>): boolean {
  return state === 'orphaned' || state === 'missing';
}

function countsOf(resources: readonly AuditedResource[]): readonly AuditCount[] {
  const counts = new Map<string, AuditCount>();
  for (const { kind, state } of resources) {
    const key = `${kind} ${state}`;
    counts.set(key, { kind, state, count: (counts.get(key)?.count ?? 0) + 1 });
  }
  return [...counts.values()];
}
