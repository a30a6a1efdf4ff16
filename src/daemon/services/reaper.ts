import { throwIfAborted } from '../../base/abort.ts';
import { toDomainError } from '../../core/model/errors.ts';
import { RESOURCE_KINDS } from '../../core/model/ledger.ts';
import type { Clock, WaitOptions } from '../../core/ports/host.ts';
import type { FoundResource, Ledger } from '../../core/ports/ledger.ts';
import type { Logger } from '../../core/ports/telemetry.ts';
import type { AuditedResource } from './audit-compare.ts';

/** Pauses between two attempts at what resists. */
const PAUSES_MS = [100, 400, 1600] as const;

export interface Resisting {
  readonly resource: AuditedResource;
  readonly reason: string;
}

export interface Reaped {
  readonly removed: readonly AuditedResource[];
  readonly resisting: readonly Resisting[];
}

export interface ReaperParts {
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly log: Logger;
  /** Asked right before each removal: a record may have come to claim it. */
  readonly isOrphan: (found: FoundResource) => boolean;
}

/**
 * Removes orphans: first what runs, then what it held, directories last (the order of RESOURCE_KINDS). Of an owner whose process can't be
 * ended nothing further is touched, and no directory of one that resists elsewhere. Nothing is forced: what resists is told, with the reason.
 */
export class Reaper {
  readonly #parts: ReaperParts;

  constructor(parts: ReaperParts) {
    this.#parts = parts;
  }

  /** Rejects with the signal's reason only, between two removals. */
  async reap(orphans: readonly AuditedResource[], options: WaitOptions = {}): Promise<Reaped> {
    const removed: AuditedResource[] = [];
    const resisting: Resisting[] = [];
    const inOrder = RESOURCE_KINDS.flatMap((kind) => orphans.filter((orphan) => orphan.kind === kind));
    for (const orphan of inOrder) {
      throwIfAborted(options.signal);
      if (orphan.found === undefined || !this.#parts.isOrphan(orphan.found)) continue;
      const holder = resisting.find(({ resource }) => holdsUp(resource, orphan));
      if (holder !== undefined) {
        resisting.push({ resource: orphan, reason: `waits for ${holder.resource.kind} ${holder.resource.name}` });
        continue;
      }
      const reason = await this.#remove(orphan.found, options);
      if (reason === undefined) removed.push(orphan);
      else resisting.push({ resource: orphan, reason });
    }
    return { removed, resisting };
  }

  /** Undefined when it is gone. */
  async #remove(found: FoundResource, options: WaitOptions): Promise<string | undefined> {
    const { ledger, clock, log } = this.#parts;
    for (let attempt = 0; ; attempt += 1) {
      try {
        await ledger[found.kind].remove(found);
        log.warn({ kind: found.kind, name: found.name, owner: found.owner, ...found.attributes }, 'orphan removed');
        return undefined;
      } catch (error) {
        const pause = PAUSES_MS[attempt];
        const { message } = toDomainError(error);
        if (pause === undefined) {
          log.error({ kind: found.kind, name: found.name, error }, `orphan not removed: ${message}`);
          return message;
        }
        await clock.sleep(pause, options);
      }
    }
  }
}

function holdsUp(resisting: AuditedResource, next: AuditedResource): boolean {
  if (resisting.sandboxId !== next.sandboxId || resisting.kind === next.kind) return false;
  return resisting.kind === 'process' || next.kind === 'directory' || next.kind === 'launcher';
}
