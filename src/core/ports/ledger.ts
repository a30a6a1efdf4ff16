import type { Resource, ResourceKind } from '../model/ledger.ts';
import type { WaitOptions } from './host.ts';

/** One resource as it stands on the host, found by its mark and by nothing that a record says. */
export interface FoundResource extends Resource {
  /** The short id of the sandbox that its mark names, known or not; undefined: it is the daemon's own. */
  readonly owner: string | undefined;
  /** The full id of the container that its mark names. */
  readonly containerId: string | undefined;
}

/**
 * One kind of host resource. The mark by which it finds what is this instance's depends on no record and on no other kind, so that
 * what one misses another may show.
 */
export interface LedgerKind {
  readonly kind: ResourceKind;
  /** Every resource of this kind on the host that bears this instance's mark. */
  find(options?: WaitOptions): Promise<readonly FoundResource[]>;
  /**
   * Resolves when it is gone; that it is gone already is fine. Compares the identity right before it acts. Rejects HOST_RESOURCE or
   * ROOTFS_FAILED, saying what resists and why.
   */
  remove(found: FoundResource, options?: WaitOptions): Promise<void>;
}

/** One class a kind. */
export type Ledger = Readonly<Record<ResourceKind, LedgerKind>>;
