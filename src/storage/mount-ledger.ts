import { DomainError, toDomainError } from '../core/model/errors.ts';
import { ownerOfPath, type InstanceMarks } from '../core/model/marks.ts';
import type { FoundResource, LedgerKind } from '../core/ports/ledger.ts';
import type { Mounter } from './mounter.ts';
import { unmountOrder } from './mount-table.ts';

/** Who keeps files below a path open, in words: `sleep (pid 12): its working directory`. */
export type HolderSearch = (path: string) => Promise<readonly string[]>;

const MOST_HOLDERS = 5;

/** Mounts of the daemon's mount namespace. Mark: they are at or below the directories of its sandboxes. What lies on top comes first. */
export class MountLedger implements LedgerKind {
  readonly kind = 'mount';
  readonly #marks: InstanceMarks;
  readonly #mounter: Mounter;
  readonly #holders: HolderSearch;

  constructor(marks: InstanceMarks, mounter: Mounter, holders: HolderSearch) {
    this.#marks = marks;
    this.#mounter = mounter;
    this.#holders = holders;
  }

  async find(): Promise<readonly FoundResource[]> {
    const table = await this.#mounter.table();
    const ours = table.filter((entry) => ownerOfPath(this.#marks, entry.mountPoint) !== undefined);
    return [this.#marks.runs, this.#marks.sandboxes].flatMap((home) => unmountOrder(ours, home)).flatMap(({ mountPoint, fsType, source }): readonly FoundResource[] => {
      const owner = ownerOfPath(this.#marks, mountPoint);
      return owner === undefined ? [] : [{ kind: 'mount', name: mountPoint, ...owner, attributes: { type: fsType, source } }];
    });
  }

  /** Never lazily: that would hide who holds it. */
  async remove(found: FoundResource): Promise<void> {
    try {
      await this.#mounter.unmountAll(found.name);
    } catch (error) {
      const reason = toDomainError(error);
      if (reason.details.facts?.['busy'] !== 'true') throw reason;
      const holders = await this.#holders(found.name);
      const who = holders.length === 0 ? 'no process of this host shows it open' : holders.slice(0, MOST_HOLDERS).join(', ');
      throw new DomainError(reason.reason, `${reason.message}: ${who}`, reason.details);
    }
  }
}
