import type { AuditRequest as AuditRequestMessage } from '../../gen/vivarium/v1/host.ts';
import type { AuditRequest } from '../services/audit.ts';
import { parsed } from './field-errors.ts';
import { checkRequestId } from './validate-fields.ts';

/** INVALID_REQUEST for a request id that is none. */
export function parseAudit(request: AuditRequestMessage): AuditRequest & { readonly requestId: string; readonly all: boolean } {
  return parsed((errors) => ({ requestId: checkRequestId(errors, request.requestId), reap: request.reap, retryFailed: request.retryFailed, all: request.all }));
}
