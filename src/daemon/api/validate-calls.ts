import { parsed } from './field-errors.ts';
import { checkReference, checkRequestId } from './validate-fields.ts';

/** The two fields of most mutating calls on a sandbox. */
export function parseSandboxCall(request: { sandboxId: string; requestId: string }): { ref: string; requestId: string } {
  return parsed((errors) => ({ ref: checkReference(errors, 'sandbox_id', request.sandboxId), requestId: checkRequestId(errors, request.requestId) }));
}

/** The two fields of most mutating calls on a container. */
export function parseContainerCall(request: { containerId: string; requestId: string }): { ref: string; requestId: string } {
  return parsed((errors) => ({ ref: checkReference(errors, 'container_id', request.containerId), requestId: checkRequestId(errors, request.requestId) }));
}

export function parseSandboxRef(request: { sandboxId: string }): string {
  return parsed((errors) => checkReference(errors, 'sandbox_id', request.sandboxId));
}

export function parseContainerRef(request: { containerId: string }): string {
  return parsed((errors) => checkReference(errors, 'container_id', request.containerId));
}
