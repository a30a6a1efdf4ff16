import { BadRequest, ErrorInfo, RichServerError } from 'nice-grpc-error-details';
import { Status } from 'nice-grpc-common';
import type { ServerError } from 'nice-grpc-common';
import { DomainError } from '../../core/model/errors.ts';
import type { ErrorReason } from '../../core/model/errors.ts';

/** The one place where a reason becomes a gRPC code. Total by its type: a new reason does not compile without its code. */
export const STATUS_OF_REASON = {
  INVALID_REQUEST: Status.INVALID_ARGUMENT,
  SANDBOX_NOT_FOUND: Status.NOT_FOUND,
  CONTAINER_NOT_FOUND: Status.NOT_FOUND,
  EXEC_NOT_FOUND: Status.NOT_FOUND,
  IMAGE_NOT_FOUND: Status.NOT_FOUND,
  GUEST_NOT_FOUND: Status.NOT_FOUND,
  PROFILE_NOT_FOUND: Status.NOT_FOUND,
  NAME_IN_USE: Status.ALREADY_EXISTS,
  AMBIGUOUS_ID: Status.INVALID_ARGUMENT,
  WRONG_STATE: Status.FAILED_PRECONDITION,
  OVERRIDE_NOT_ALLOWED: Status.PERMISSION_DENIED,
  UNSUPPORTED: Status.UNIMPLEMENTED,
  CAPACITY_EXHAUSTED: Status.RESOURCE_EXHAUSTED,
  VMM_NOT_USABLE: Status.FAILED_PRECONDITION,
  VMM_FAILED: Status.INTERNAL,
  VMM_EXITED: Status.INTERNAL,
  BOOT_TIMEOUT: Status.DEADLINE_EXCEEDED,
  AGENT_UNREACHABLE: Status.UNAVAILABLE,
  AGENT_REFUSED: Status.FAILED_PRECONDITION,
  AGENT_PROTOCOL: Status.INTERNAL,
  PROCESS_START_FAILED: Status.FAILED_PRECONDITION,
  ROOTFS_FAILED: Status.INTERNAL,
  STORAGE_FULL: Status.RESOURCE_EXHAUSTED,
  CHECKPOINT_FAILED: Status.INTERNAL,
  HOST_RESOURCE: Status.INTERNAL,
  DEADLINE: Status.DEADLINE_EXCEEDED,
  CANCELLED: Status.CANCELLED,
  SHUTTING_DOWN: Status.UNAVAILABLE,
  REQUEST_ID_CONFLICT: Status.ALREADY_EXISTS,
  REQUEST_OUTCOME_UNKNOWN: Status.ABORTED,
  OFFSET_OUT_OF_RANGE: Status.OUT_OF_RANGE,
  RECOVERING: Status.UNAVAILABLE,
  INTERNAL: Status.INTERNAL,
  GUEST_BUILD_FAILED: Status.INTERNAL,
  MESSAGE_TOO_LARGE: Status.RESOURCE_EXHAUSTED,
  IMAGE_UNAUTHORIZED: Status.UNAUTHENTICATED,
  IMAGE_PULL_FAILED: Status.UNAVAILABLE,
  IMAGE_RATE_LIMITED: Status.RESOURCE_EXHAUSTED,
  IMAGE_INVALID: Status.FAILED_PRECONDITION,
  IMAGE_WRONG_PLATFORM: Status.FAILED_PRECONDITION,
  IMAGE_TOO_LARGE: Status.FAILED_PRECONDITION,
  IMAGE_IN_USE: Status.FAILED_PRECONDITION,
  DEVICE_NOT_FOUND: Status.NOT_FOUND,
  DEVICE_IN_USE: Status.FAILED_PRECONDITION,
  VOLUME_NOT_FOUND: Status.NOT_FOUND,
  VOLUME_IN_USE: Status.FAILED_PRECONDITION,
} as const satisfies Record<ErrorReason, Status>;

/** ErrorInfo.domain of every error that we make. */
export const ERROR_DOMAIN = 'vivarium';

/** gRPC's C core refuses trailers above 8 KiB; base64 adds a third and the message itself goes twice, so what we send stays below this. */
const DETAIL_BUDGET_BYTES = 3600;
const MESSAGE_BYTES = 600;
const FACT_BYTES = 1800;

/**
 * The error as gRPC carries it: the code, the message, google.rpc.ErrorInfo, and google.rpc.BadRequest when fields are wrong. Long facts (a
 * console's tail) are cut at their beginning, long lists at their end; the whole stands in the daemon's log.
 */
export function toServerError(error: DomainError): ServerError {
  const { details } = error;
  const budget = new Budget(DETAIL_BUDGET_BYTES);
  const metadata = budget.takeAll({
    ...(details.sandboxId === undefined ? {} : { sandbox_id: details.sandboxId }),
    ...(details.containerId === undefined ? {} : { container_id: details.containerId }),
    ...(details.remedy === undefined ? {} : { remedy: details.remedy }),
    ...details.facts,
  });
  const extra: (ErrorInfo | BadRequest)[] = [ErrorInfo.fromPartial({ reason: error.reason, domain: ERROR_DOMAIN, metadata })];
  if (details.fields !== undefined && details.fields.length > 0) {
    const fieldViolations = details.fields.filter((violation) => budget.take(Buffer.byteLength(violation.field) + Buffer.byteLength(violation.description) + 8));
    extra.push(BadRequest.fromPartial({ fieldViolations: fieldViolations.map(({ field, description }) => ({ field, description })) }));
  }
  return new RichServerError(STATUS_OF_REASON[error.reason], cutEnd(error.message, MESSAGE_BYTES), extra);
}

/**
 * What was thrown, as a DomainError: an abort without a reason of ours is the client's; anything unknown is INTERNAL and bears the request's id,
 * by which it is found in the log. An unknown error's own words stay in the log.
 */
export function asDomainError(error: unknown, requestLogId: string): DomainError {
  if (error instanceof DomainError) return error;
  if (error instanceof Error && error.name === 'AbortError') return cancelled(error);
  return new DomainError('INTERNAL', `internal error ${requestLogId}`, {
    cause: error,
    facts: { error_id: requestLogId },
    remedy: `look for ${requestLogId} in the daemon's log; it is a defect, please report it`,
  });
}

/** The caller went away, or its deadline passed: gRPC does not tell these apart on the server. */
export function cancelled(cause?: unknown): DomainError {
  return new DomainError('CANCELLED', 'the caller went away or its deadline passed', { ...(cause === undefined ? {} : { cause }) });
}

class Budget {
  #left: number;

  constructor(bytes: number) {
    this.#left = bytes;
  }

  take(bytes: number): boolean {
    if (bytes > this.#left) return false;
    this.#left -= bytes;
    return true;
  }

  /** The entries that fit, in order, each cut to FACT_BYTES. */
  takeAll(entries: Readonly<Record<string, string>>): Record<string, string> {
    const kept: Record<string, string> = {};
    for (const [key, value] of Object.entries(entries)) {
      const text = cutBeginning(value, Math.min(FACT_BYTES, Math.max(0, this.#left - Buffer.byteLength(key) - 8)));
      if (this.take(Buffer.byteLength(key) + Buffer.byteLength(text) + 8)) kept[key] = text;
    }
    return kept;
  }
}

function cutEnd(text: string, bytes: number): string {
  const buffer = Buffer.from(text, 'utf8');
  return buffer.length <= bytes ? text : `${buffer.subarray(0, bytes - 3).toString('utf8').replace(/\uFFFD+$/, '')}…`;
}

function cutBeginning(text: string, bytes: number): string {
  const buffer = Buffer.from(text, 'utf8');
  if (buffer.length <= bytes) return text;
  return bytes < 3 ? '' : `…${buffer.subarray(buffer.length - bytes + 3).toString('utf8').replace(/^\uFFFD+/, '')}`;
}
