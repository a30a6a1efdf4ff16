import type { Resource } from '../../core/model/ledger.ts';
import { shortId } from '../../core/model/ids.ts';
import type { SandboxRecord } from '../../core/model/record.ts';
import type { Registry } from './registry.ts';

/**
 * What a record lets a sandbox own:
 * `live`: all that it lists; `moving`: anything, work on it is under way; `stopped`: what lasts; `failed`: what could not be removed;
 * `unreadable`: anything, since nobody knows what its record says.
 */
export type Standing = 'live' | 'moving' | 'stopped' | 'failed' | 'unreadable';

export interface Claim {
  /** Full id, or what stands in its place for a record that can't be read. */
  readonly id: string;
  readonly standing: Standing;
  /** Two claims with one epoch are of one record. */
  readonly epoch: number;
  readonly containerIds: ReadonlySet<string>;
  readonly resources: readonly Resource[];
  /** For a person. */
  readonly detail: string;
}

/** By short id. */
export type Claims = ReadonlyMap<string, Claim>;

const NOTHING = { epoch: 0, containerIds: new Set<string>(), resources: [] };

/** What every record of this daemon claims now, those included that are being written for the first time and those that can't be read. */
export function claimsOf(registry: Registry): Claims {
  const claims = new Map<string, Claim>();
  // A create has its name before it has a record, and a record before it has a unit.
  for (const id of registry.namedSandboxIds) claims.set(shortId(id), { ...NOTHING, id, standing: 'moving', detail: 'being created' });
  for (const [id, problem] of registry.unreadable) claims.set(shortId(id), { ...NOTHING, id, standing: 'unreadable', detail: `its record can't be read: ${problem}` });
  for (const { record } of registry.sandboxes) claims.set(shortId(record.id), claimOf(record));
  return claims;
}

export function claimOf(record: SandboxRecord): Claim {
  return {
    id: record.id,
    standing: standingOf(record.state),
    epoch: record.epoch,
    containerIds: new Set(record.containers.map(({ id }) => id)),
    resources: record.resources,
    detail: record.state === 'failed' ? `failed: ${record.causeDetail}` : record.state,
  };
}

function standingOf(state: SandboxRecord['state']): Standing {
  switch (state) {
    case 'ready':
    case 'running':
    case 'paused':
      return 'live';
    case 'creating':
    case 'stopping':
    case 'deleting':
    case 'recovering':
      return 'moving';
    case 'stopped':
      return 'stopped';
    case 'failed':
      return 'failed';
  }
}
