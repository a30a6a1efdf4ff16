import { Metadata } from '@grpc/grpc-js';
import type { ServerInterceptor, ServerInterceptingCall } from '@grpc/grpc-js';
import { ErrorInfo } from 'nice-grpc-error-details';
import { Status } from 'nice-grpc-common';
import type { ErrorReason } from '../../core/model/errors.ts';
import { Status as RichStatus } from '../../gen/google/rpc/status.ts';
import { ERROR_DOMAIN, STATUS_OF_REASON } from './status.ts';

const DETAILS = 'grpc-status-details-bin';
const UNREADABLE = 'Error deserializing request';

type SentStatus = Parameters<ServerInterceptingCall['sendStatus']>[0];

interface Told {
  readonly reason: ErrorReason;
  readonly remedy: string;
}

/** What the library ends calls for by itself, by the code that it gives. */
const TOLD: Partial<Record<Status, Told>> = {
  [Status.RESOURCE_EXHAUSTED]: { reason: 'MESSAGE_TOO_LARGE', remedy: 'send less in one message; docs/api.md has the limits' },
  [Status.DEADLINE_EXCEEDED]: { reason: 'DEADLINE', remedy: 'give the call more time, or look at what it waits for' },
  [Status.CANCELLED]: { reason: 'CANCELLED', remedy: 'nothing: the caller gave up' },
  [Status.UNIMPLEMENTED]: { reason: 'UNSUPPORTED', remedy: 'send messages as identity, gzip or deflate' },
};

/**
 * Gives ErrorInfo to statuses that the gRPC library makes below every middleware: a message too large, one that can't be read, a deadline that
 * passed. The library sends those by the call's own `sendStatus`, so that is what is wrapped: a responder of the usual kind never hears of them.
 */
export const describeLibraryErrors: ServerInterceptor = (_method, call) => {
  const send = call.sendStatus.bind(call);
  call.sendStatus = (status) => { send(described(status)); };
  return call as ServerInterceptingCall;
};

/** The status with details, or as it is when it is OK, has them already, or is not the library's. */
export function described(status: SentStatus): SentStatus {
  if (status.code === undefined || status.code === Status.OK || hasDetails(status.metadata)) return status;
  const unreadable = status.details?.startsWith(UNREADABLE) === true;
  const told: Told | undefined = unreadable ? { reason: 'INVALID_REQUEST', remedy: 'encode the request by the .proto files of this version' } : TOLD[status.code as Status];
  if (told === undefined) return status;
  const code = STATUS_OF_REASON[told.reason];
  const message = status.details ?? '';
  const info = ErrorInfo.fromPartial({ reason: told.reason, domain: ERROR_DOMAIN, metadata: { remedy: told.remedy } });
  const details = [{ typeUrl: `type.googleapis.com/${ErrorInfo.$type}`, value: Buffer.from(ErrorInfo.encode(info).finish()) }];
  const metadata = status.metadata?.clone() ?? new Metadata();
  metadata.set(DETAILS, Buffer.from(RichStatus.encode({ code, message, details }).finish()));
  return { ...status, code: code as number, details: message, metadata };
}

function hasDetails(metadata: Metadata | null | undefined): boolean {
  return metadata !== null && metadata !== undefined && metadata.get(DETAILS).length > 0;
}
