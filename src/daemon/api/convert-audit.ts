import type { AuditedResource as AuditedResourceMessage, AuditResponse } from '../../gen/vivarium/v1/host.ts';
import type { AuditedResource } from '../services/audit-compare.ts';
import { isSuspect, type AuditReport } from '../services/audit.ts';
import { AUDIT_STATES } from './enums.ts';

/** `all`: also what is as it should be. */
export function auditToWire(report: AuditReport, all: boolean): AuditResponse {
  const shown = all ? report.resources : report.resources.filter(({ state }) => state !== 'owned' && state !== 'pending');
  return {
    resources: shown.map(resourceToWire),
    counts: report.counts.map(({ kind, state, count }) => ({ kind, state: AUDIT_STATES[state], count })),
    removed: report.removed.map(resourceToWire),
    resisting: report.resisting.map(({ resource, reason }) => ({ resource: resourceToWire(resource), reason })),
    clean: !report.resources.some(isSuspect),
  };
}

function resourceToWire({ kind, name, sandboxId, containerId, state, detail, attributes }: AuditedResource): AuditedResourceMessage {
  return { kind, name, sandboxId, containerId, state: AUDIT_STATES[state], detail, attributes: { ...attributes } };
}
