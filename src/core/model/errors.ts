/** Why a request failed. The closed list of `vivarium.v1.ErrorReason`, without its prefix. */
export type ErrorReason =
  | 'INVALID_REQUEST'
  | 'SANDBOX_NOT_FOUND'
  | 'CONTAINER_NOT_FOUND'
  | 'EXEC_NOT_FOUND'
  | 'IMAGE_NOT_FOUND'
  | 'GUEST_NOT_FOUND'
  | 'PROFILE_NOT_FOUND'
  | 'NAME_IN_USE'
  | 'AMBIGUOUS_ID'
  | 'WRONG_STATE'
  | 'OVERRIDE_NOT_ALLOWED'
  | 'UNSUPPORTED'
  | 'CAPACITY_EXHAUSTED'
  | 'VMM_NOT_USABLE'
  | 'VMM_FAILED'
  | 'VMM_EXITED'
  | 'BOOT_TIMEOUT'
  | 'AGENT_UNREACHABLE'
  | 'AGENT_REFUSED'
  | 'AGENT_PROTOCOL'
  | 'PROCESS_START_FAILED'
  | 'ROOTFS_FAILED'
  | 'STORAGE_FULL'
  | 'CHECKPOINT_FAILED'
  | 'HOST_RESOURCE'
  | 'DEADLINE'
  | 'CANCELLED'
  | 'SHUTTING_DOWN'
  | 'REQUEST_ID_CONFLICT'
  | 'REQUEST_OUTCOME_UNKNOWN'
  | 'OFFSET_OUT_OF_RANGE'
  | 'RECOVERING'
  | 'INTERNAL'
  | 'GUEST_BUILD_FAILED'
  | 'MESSAGE_TOO_LARGE'
  | 'IMAGE_UNAUTHORIZED'
  | 'IMAGE_PULL_FAILED'
  | 'IMAGE_RATE_LIMITED'
  | 'IMAGE_INVALID'
  | 'IMAGE_WRONG_PLATFORM'
  | 'IMAGE_TOO_LARGE'
  | 'IMAGE_IN_USE'
  | 'DEVICE_NOT_FOUND'
  | 'DEVICE_IN_USE'
  | 'VOLUME_NOT_FOUND'
  | 'VOLUME_IN_USE';

/** One wrong field of a request. */
export interface FieldViolation {
  /** Path as the client wrote it: `spec.env[2]`. */
  readonly field: string;
  readonly description: string;
}

export interface DomainErrorDetails {
  /** What to do next, as one sentence. */
  readonly remedy?: string;
  readonly sandboxId?: string;
  readonly containerId?: string;
  readonly fields?: readonly FieldViolation[];
  /** Further facts for ErrorInfo.metadata: numbers, exit codes, the console's tail. */
  readonly facts?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

/** The one error type that crosses rooms. gRPC codes are chosen from `reason` in one table (daemon/api/status.ts). */
export class DomainError extends Error {
  override readonly name = 'DomainError';
  readonly reason: ErrorReason;
  readonly details: DomainErrorDetails;

  constructor(reason: ErrorReason, message: string, details: DomainErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.reason = reason;
    this.details = details;
  }

  /** The same error, told to belong to a sandbox or container, where it did not say so itself. */
  within(ids: { sandboxId?: string; containerId?: string }): DomainError {
    const details = { ...ids, ...this.details };
    const copy = new DomainError(this.reason, this.message, details);
    if (this.stack !== undefined) copy.stack = this.stack;
    return copy;
  }
}

/** Every field error of one request, at once. */
export function invalidRequest(fields: readonly FieldViolation[]): DomainError {
  const text = fields.map((f) => `${f.field}: ${f.description}`).join('; ');
  return new DomainError('INVALID_REQUEST', `invalid request: ${text}`, { fields, remedy: 'correct the named fields and send the request again' });
}

/** Makes a DomainError of whatever was thrown; an unknown error is INTERNAL. */
export function toDomainError(error: unknown): DomainError {
  if (error instanceof DomainError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new DomainError('INTERNAL', message, { cause: error, remedy: 'look for this message in the daemon log; it is a defect' });
}
