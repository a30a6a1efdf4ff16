import { ExitCode } from '../exit-codes.ts';

export interface FieldViolation {
  readonly field: string;
  readonly description: string;
}

/** A refused or failed call, as plain data: google.rpc.Status with the two details that the daemon attaches. */
export interface DaemonFailure {
  /** The gRPC code. */
  readonly code: number;
  readonly message: string;
  /** From google.rpc.ErrorInfo; empty when the call failed before the daemon could say more. */
  readonly reason: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** From google.rpc.BadRequest. */
  readonly violations: readonly FieldViolation[];
}

/** The codes of https://github.com/grpc/grpc/blob/master/doc/statuscodes.md, by number. */
const codeNames = [
  'OK', 'CANCELLED', 'UNKNOWN', 'INVALID_ARGUMENT', 'DEADLINE_EXCEEDED', 'NOT_FOUND', 'ALREADY_EXISTS', 'PERMISSION_DENIED', 'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION', 'ABORTED', 'OUT_OF_RANGE', 'UNIMPLEMENTED', 'INTERNAL', 'UNAVAILABLE', 'DATA_LOSS', 'UNAUTHENTICATED',
] as const;

export type CodeName = (typeof codeNames)[number];

export const codeName = (failure: DaemonFailure): CodeName => codeNames[failure.code] ?? 'UNKNOWN';

interface CallError extends Error {
  readonly code: number;
  readonly details: string;
  readonly extra?: readonly { readonly $type: string }[];
}

interface ErrorInfoDetail {
  readonly reason: string;
  readonly metadata: Readonly<Record<string, string>>;
}

interface BadRequestDetail {
  readonly fieldViolations: readonly FieldViolation[];
}

/** Reads an error of the gRPC client by its shape, so that showing an error loads no gRPC. Undefined for any other error. */
export function daemonFailure(error: unknown): DaemonFailure | undefined {
  if (!isCallError(error)) return undefined;
  const info = detail(error, 'google.rpc.ErrorInfo') as ErrorInfoDetail | undefined;
  const badRequest = detail(error, 'google.rpc.BadRequest') as BadRequestDetail | undefined;
  return {
    code: error.code,
    message: error.details,
    reason: info?.reason ?? '',
    metadata: info?.metadata ?? {},
    violations: badRequest?.fieldViolations ?? [],
  };
}

export const failedWith = (error: unknown, reason: string): boolean => daemonFailure(error)?.reason === reason;

/** The daemon did not answer at all, as opposed to a daemon that says it is unavailable. */
export const isUnreachable = (failure: DaemonFailure): boolean => codeName(failure) === 'UNAVAILABLE' && failure.reason === '';

/**
 * Whether a stream that broke this way, and not by us, may be resumed: the connection went, or the daemon is on its way out or back in.
 * A daemon that ends by force resets its streams, which reads as CANCELLED without a word about why; a reset by a dying peer as INTERNAL.
 */
export function isResumable(failure: DaemonFailure): boolean {
  if (codeName(failure) === 'UNAVAILABLE') return true;
  return failure.reason === '' && (codeName(failure) === 'CANCELLED' || /RST_STREAM|Connection dropped|ECONNRESET/.test(failure.message));
}

/** A call that may have reached the daemon and whose answer did not come. What the daemon itself refuses, also on its way out, is an answer. */
export function brokeOff(failure: DaemonFailure): boolean {
  return failure.reason === '' && isResumable(failure) && !failure.message.startsWith('No connection established');
}

/**
 * The code that shells give to a program that could not be started: 127 when there is none, 126 when it can't be executed.
 * The daemon says which in ErrorInfo's metadata; where it does not, the guest's sentence is read.
 */
export function startFailureExitCode(failure: DaemonFailure): number {
  const told = Number(failure.metadata['exit_code']);
  if (told === ExitCode.notFound || told === ExitCode.notExecutable) return told;
  return /not found|no such file|ENOENT/i.test(failure.message) ? ExitCode.notFound : ExitCode.notExecutable;
}

function isCallError(error: unknown): error is CallError {
  return error instanceof Error && /^(Rich)?ClientError$/.test(error.name) && 'code' in error && typeof error.code === 'number';
}

function detail(error: CallError, type: string): unknown {
  return error.extra?.find((entry) => entry.$type === type);
}
