import { Metadata, ServerInterceptingCall, status as codes } from '@grpc/grpc-js';
import type { ServerInterceptor } from '@grpc/grpc-js';
import { ErrorInfo } from 'nice-grpc-error-details';
import type { ErrorReason } from '../../core/model/errors.ts';
import { Status as RichStatus } from '../../gen/google/rpc/status.ts';
import { ERROR_DOMAIN } from './status.ts';

const DETAILS = 'grpc-status-details-bin';
const UNREADABLE_WORDS = 'Error deserializing request';

type SentStatus = Parameters<ServerInterceptingCall['sendStatus']>[0];

export interface Told {
  readonly code: codes;
  readonly reason: ErrorReason;
  readonly remedy: string;
}

/** What the library ends calls for by itself, by the code that it gives. */
const TOLD: Partial<Record<codes, Told>> = {
  [codes.RESOURCE_EXHAUSTED]: { code: codes.RESOURCE_EXHAUSTED, reason: 'MESSAGE_TOO_LARGE', remedy: 'send less in one message; docs/api.md has the limits' },
  [codes.DEADLINE_EXCEEDED]: { code: codes.DEADLINE_EXCEEDED, reason: 'DEADLINE', remedy: 'give the call more time, or look at what it waits for' },
  [codes.CANCELLED]: { code: codes.CANCELLED, reason: 'CANCELLED', remedy: 'nothing: the caller gave up' },
  [codes.UNIMPLEMENTED]: { code: codes.UNIMPLEMENTED, reason: 'UNSUPPORTED', remedy: 'send messages as identity, gzip or deflate' },
};

/** The library calls it INTERNAL; it is the caller's. */
const UNREADABLE_REQUEST: Told = { code: codes.INVALID_ARGUMENT, reason: 'INVALID_REQUEST', remedy: 'encode the request by the .proto files of this version' };

/**
 * Gives ErrorInfo to statuses that the gRPC library makes below every middleware: a message too large, one that can't be read, a deadline that
 * passed. The library sends those by the call's own `sendStatus`, so that is what is wrapped: a responder of the usual kind never hears of them.
 */
export const describeLibraryErrors: ServerInterceptor = (_method, call) => {
  const send = call.sendStatus.bind(call);
  call.sendStatus = (status) => { send(described(status)); };
  return new ServerInterceptingCall(call);
};

/** The status with details, or as it is when it is OK, has them already, or is not the library's. */
export function described(sent: SentStatus): SentStatus {
  if (sent.code === codes.OK || hasDetails(sent.metadata)) return sent;
  const told: Told | undefined = sent.details.startsWith(UNREADABLE_WORDS) ? UNREADABLE_REQUEST : TOLD[sent.code];
  return told === undefined ? sent : detailed(sent, told);
}

/** The status with ErrorInfo. */
export function detailed(sent: SentStatus, { code, reason, remedy }: Told): SentStatus {
  const info = ErrorInfo.fromPartial({ reason, domain: ERROR_DOMAIN, metadata: { remedy } });
  const details = [{ typeUrl: `type.googleapis.com/${ErrorInfo.$type}`, value: Buffer.from(ErrorInfo.encode(info).finish()) }];
  const metadata = sent.metadata?.clone() ?? new Metadata();
  metadata.set(DETAILS, Buffer.from(RichStatus.encode({ code, message: sent.details, details }).finish()));
  return { ...sent, code, metadata };
}

function hasDetails(metadata: Metadata | null | undefined): boolean {
  return metadata !== null && metadata !== undefined && metadata.get(DETAILS).length > 0;
}
