import { raceSignal } from '../../base/abort.ts';
import type { Clock } from '../../core/ports/host.ts';
import type { Logger } from '../../core/ports/telemetry.ts';
import { isSuspect, type Audit, type AuditReport } from './audit.ts';
import { identityOf } from './audit-compare.ts';

export interface AuditScheduleParts {
  readonly audit: Pick<Audit, 'run'>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Between the end of one audit and the beginning of the next; 0: only the first. */
  readonly intervalMs: number;
  readonly reapOnStart: boolean;
}

/** Audits once when recovery is over, which may remove orphans, and then at an interval, which only tells. */
export class AuditSchedule {
  readonly #parts: AuditScheduleParts;
  readonly #over = new AbortController();
  #told = new Set<string>();

  constructor(parts: AuditScheduleParts) {
    this.#parts = parts;
  }

  begin(settled: Promise<void>): void {
    void this.#run(settled);
  }

  stop(): void {
    this.#over.abort(new Error('the daemon is stopping'));
  }

  async #run(settled: Promise<void>): Promise<void> {
    const { intervalMs, reapOnStart, clock, log } = this.#parts;
    const { signal } = this.#over;
    try {
      await raceSignal(settled, signal);
      await this.#audit(reapOnStart);
      while (intervalMs > 0) {
        await clock.sleep(intervalMs, { signal });
        await this.#audit(false);
      }
    } catch (error) {
      // Stopped, or recovery failed and was told so: what is on the host can't be judged then.
      log.debug({ error }, 'no further audits');
    }
  }

  async #audit(reap: boolean): Promise<void> {
    const { audit, log } = this.#parts;
    try {
      this.#tell(await audit.run({ reap, retryFailed: false }, { signal: this.#over.signal }));
    } catch (error) {
      if (this.#over.signal.aborted) throw error;
      log.error({ error }, 'the host could not be audited');
    }
  }

  /** Each suspect once. */
  #tell({ resources, resisting }: AuditReport): void {
    const suspects = resources.filter(isSuspect);
    for (const suspect of suspects) {
      if (this.#told.has(identityOf(suspect))) continue;
      const reason = resisting.find(({ resource }) => identityOf(resource) === identityOf(suspect))?.reason ?? '';
      this.#parts.log.warn({ kind: suspect.kind, name: suspect.name, sandbox: suspect.sandboxId, detail: suspect.detail, reason }, `audit: ${suspect.state}`);
    }
    this.#told = new Set(suspects.map(identityOf));
  }
}
