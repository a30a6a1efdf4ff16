import type { ResourceKind } from '../../core/model/ledger.ts';
import type { FoundResource } from '../../core/ports/ledger.ts';
import type { Claim, Claims } from './claims.ts';

/**
 * owned: a record claims it. in-flight: work on its sandbox is under way. pending: the daemon's own, on its way out. orphaned: on the host, and no
 * record claims it. missing: a live sandbox's record claims it, and it is not on the host. unreadable: of a record that this daemon can't read or has not read: left alone.
 */
export type AuditState = 'owned' | 'in-flight' | 'pending' | 'orphaned' | 'missing' | 'unreadable';

export interface AuditedResource {
  readonly kind: ResourceKind;
  readonly name: string;
  /** Full id where a record tells it, the short one of its mark where none does; empty: the daemon's own. */
  readonly sandboxId: string;
  readonly containerId: string;
  readonly state: AuditState;
  /** Why, for a person; empty when there is nothing to say. */
  readonly detail: string;
  readonly attributes: Readonly<Record<string, string>>;
  /** Undefined for what is missing. */
  readonly found: FoundResource | undefined;
}

type Verdict = Pick<AuditedResource, 'state' | 'detail'>;

const OWNED: Verdict = { state: 'owned', detail: '' };

/**
 * The set difference: what was found on the host against what the records claimed right before and right after. What only one of the
 * two claims has been made or removed meanwhile. Pure.
 */
export function compare(found: readonly FoundResource[], before: Claims, after: Claims): readonly AuditedResource[] {
  return [...found.map((resource) => audited(resource, before, after)), ...missing(found, before, after)];
}

/** What tells one resource from another of the same kind and name: a pid may be another process a moment later. */
export function identityOf({ kind, name, attributes }: Pick<FoundResource, 'kind' | 'name' | 'attributes'>): string {
  return [kind, name, attributes['pid'] ?? '', attributes['start_time'] ?? ''].join('\0');
}

function audited(found: FoundResource, before: Claims, after: Claims): AuditedResource {
  const earlier = found.owner === undefined ? undefined : before.get(found.owner);
  const later = found.owner === undefined ? undefined : after.get(found.owner);
  const verdict = found.owner === undefined ? ofTheDaemon(found) : judged(found, earlier, later);
  return { kind: found.kind, name: found.name, sandboxId: (later ?? earlier)?.id ?? found.owner ?? '', containerId: found.containerId ?? '', attributes: found.attributes, found, ...verdict };
}

function ofTheDaemon(found: FoundResource): Verdict {
  if (found.kind === 'image') return ofTheImages(found.attributes['standing']);
  if (found.kind === 'volume') return ofTheVolumes(found.attributes['standing']);
  return found.kind === 'trash' ? { state: 'pending', detail: 'is being removed' } : { state: 'orphaned', detail: 'its mark names no sandbox' };
}

/** What is in the image store is judged there: by images, containers and pulls, not by sandboxes. */
function ofTheImages(standing: string | undefined): Verdict {
  switch (standing) {
    case 'needed':
      return OWNED;
    case 'cache':
      return { state: 'owned', detail: 'fetched by a pull that did not end; the next goes on with it (viv image prune removes it)' };
    case 'unknown':
      return { state: 'unreadable', detail: "a record that can't be read may need it" };
    case 'under-way':
      return { state: 'in-flight', detail: 'an image tool is at work' };
    default:
      return { state: 'orphaned', detail: 'no image and no container needs it' };
  }
}

/** A volume is kept until somebody removes it, whether a container uses it or not. */
function ofTheVolumes(standing: string | undefined): Verdict {
  switch (standing) {
    case 'kept':
      return OWNED;
    case 'unreadable':
      return { state: 'unreadable', detail: "its record is missing or can't be read" };
    case 'passing':
      return { state: 'orphaned', detail: 'it was to go with its last container, and that is gone' };
    default:
      return { state: 'orphaned', detail: 'half made by an earlier daemon' };
  }
}

function judged(found: FoundResource, earlier: Claim | undefined, later: Claim | undefined): Verdict {
  if (earlier === undefined && later === undefined) {
    if (found.attributes['record'] === 'true') return { state: 'unreadable', detail: 'has a record that this daemon has not read; start it anew' };
    return { state: 'orphaned', detail: 'no record of its sandbox' };
  }
  if (earlier === undefined || later === undefined) return { state: 'in-flight', detail: earlier === undefined ? 'being created' : 'being deleted' };
  if (later.standing === 'unreadable') return { state: 'unreadable', detail: later.detail };
  if (earlier.standing === 'moving' || later.standing === 'moving') return { state: 'in-flight', detail: later.detail };
  if (earlier.standing !== later.standing) return { state: 'in-flight', detail: later.detail };
  return settled(found, earlier, later);
}

/** Nothing is under way: its record says what it may own. */
function settled(found: FoundResource, earlier: Claim, later: Claim): Verdict {
  if (later.standing === 'failed') return { state: 'owned', detail: later.detail };
  const { containerId } = found;
  if (containerId !== undefined) {
    const [was, is] = [earlier.containerIds.has(containerId), later.containerIds.has(containerId)];
    if (was !== is) return { state: 'in-flight', detail: is ? 'its container is being created' : 'its container is being deleted' };
    if (!is) return { state: 'orphaned', detail: 'no record of its container' };
  }
  if (later.standing === 'stopped' && found.attributes['lasting'] !== 'true') return { state: 'orphaned', detail: 'its sandbox is stopped' };
  return OWNED;
}

function missing(found: readonly FoundResource[], before: Claims, after: Claims): readonly AuditedResource[] {
  const there = new Set(found.map(({ kind, name }) => `${kind}\0${name}`));
  return [...after].flatMap(([short, claim]) => {
    const earlier = before.get(short);
    if (claim.standing !== 'live' || earlier?.standing !== 'live' || earlier.epoch !== claim.epoch) return [];
    return claim.resources.filter(({ kind, name }) => !there.has(`${kind}\0${name}`)).map(({ kind, name, attributes }): AuditedResource => ({
      kind, name, sandboxId: claim.id, containerId: '', state: 'missing', detail: `its sandbox is ${claim.detail}`, attributes, found: undefined,
    }));
  });
}
