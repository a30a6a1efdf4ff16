import type { Duration } from '../../gen/google/protobuf/duration.ts';
import { parsed } from './field-errors.ts';
import { checkDurationMs, checkLabels, checkReference, checkRequestId } from './validate-fields.ts';

/** The two fields of most mutating calls on a sandbox. */
export function parseSandboxCall(request: { sandboxId: string; requestId: string }): { ref: string; requestId: string } {
  return parsed((errors) => ({ ref: checkReference(errors, 'sandbox_id', request.sandboxId), requestId: checkRequestId(errors, request.requestId) }));
}

/** The two fields of most mutating calls on a container. */
export function parseContainerCall(request: { containerId: string; requestId: string }): { ref: string; requestId: string } {
  return parsed((errors) => ({ ref: checkReference(errors, 'container_id', request.containerId), requestId: checkRequestId(errors, request.requestId) }));
}

export interface StopCall {
  readonly ref: string;
  readonly requestId: string;
  /** Undefined: the daemon's own. */
  readonly graceMs: number | undefined;
}

export function parseStopSandbox(request: { sandboxId: string; requestId: string; grace?: Duration | undefined }): StopCall {
  return parsed((errors) => ({
    ref: checkReference(errors, 'sandbox_id', request.sandboxId),
    requestId: checkRequestId(errors, request.requestId),
    graceMs: checkDurationMs(errors, 'grace', request.grace),
  }));
}

export function parseStopContainer(request: { containerId: string; requestId: string; grace?: Duration | undefined }): StopCall {
  return parsed((errors) => ({
    ref: checkReference(errors, 'container_id', request.containerId),
    requestId: checkRequestId(errors, request.requestId),
    graceMs: checkDurationMs(errors, 'grace', request.grace),
  }));
}

export function parseUpdateSandbox(request: { sandboxId: string; requestId: string; labels: Readonly<Record<string, string>> }): { ref: string; requestId: string; labels: Readonly<Record<string, string>> } {
  return parsed((errors) => ({
    ref: checkReference(errors, 'sandbox_id', request.sandboxId),
    requestId: checkRequestId(errors, request.requestId),
    labels: checkLabels(errors, 'labels', request.labels),
  }));
}

export function parseSandboxRef(request: { sandboxId: string }): string {
  return parsed((errors) => checkReference(errors, 'sandbox_id', request.sandboxId));
}

export function parseContainerRef(request: { containerId: string }): string {
  return parsed((errors) => checkReference(errors, 'container_id', request.containerId));
}
