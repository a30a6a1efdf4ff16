import { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';

import { DomainError } from '../../core/model/errors.ts';
import { HEADER_BYTES, MAX_PAYLOAD, TYPE_REQUEST, writeHeader } from './frame.ts';
import { skipField } from './skip-field.ts';

/** What a call says about itself. */
export interface RequestHead {
  readonly streamId: number;
  readonly flags: number;
  readonly service: string;
  readonly method: string;
  /** 0: none. */
  readonly timeoutMs: number;
}

export interface Status {
  /** A gRPC code; 0 is success. */
  readonly code: number;
  readonly message: string;
}

export interface ResponseMessage {
  readonly status: Status;
  /** A view of the frame. */
  readonly payload: Uint8Array;
}

// ttrpc's envelopes: Request { service 1, method 2, payload 3, timeout_nano 4, metadata 5 }, Response { status 1, payload 2 },
// Status { code 1, message 2 }. Written by hand so that a payload is neither copied into its envelope nor out of it.
const REQUEST_SERVICE = (1 << 3) | 2;
const REQUEST_METHOD = (2 << 3) | 2;
const REQUEST_PAYLOAD = (3 << 3) | 2;
const REQUEST_TIMEOUT = (4 << 3) | 0;

/**
 * The pieces of a whole request frame, to be written in one call: first the header with the envelope, then the payload as it is.
 * INVALID_REQUEST when it is larger than a frame may be.
 */
export function encodeRequest(head: RequestHead, payload: readonly Uint8Array[]): readonly Uint8Array[] {
  const payloadBytes = payload.reduce((sum, piece) => sum + piece.length, 0);
  const writer = new BinaryWriter().raw(new Uint8Array(HEADER_BYTES));
  writer.uint32(REQUEST_SERVICE).string(head.service).uint32(REQUEST_METHOD).string(head.method);
  if (head.timeoutMs > 0) writer.uint32(REQUEST_TIMEOUT).int64(BigInt(Math.ceil(head.timeoutMs)) * 1_000_000n);
  // The payload goes last, whatever its field number: its bytes follow this piece.
  writer.uint32(REQUEST_PAYLOAD).uint32(payloadBytes);
  const front = writer.finish();
  const length = front.length - HEADER_BYTES + payloadBytes;
  if (length > MAX_PAYLOAD) throw requestTooLong(head.method, length);
  writeHeader(front, { length, streamId: head.streamId, type: TYPE_REQUEST, flags: head.flags });
  return [front, ...payload];
}

/** Reads a response frame's payload. AGENT_PROTOCOL when it is not a Response. */
export function decodeResponse(bytes: Uint8Array): ResponseMessage {
  return orProtocolError('a response', () => {
    const reader = new BinaryReader(bytes);
    let status: Status = { code: 0, message: '' };
    let payload = bytes.subarray(0, 0);
    while (reader.pos < reader.len) {
      const tag = reader.uint32();
      if (tag === ((1 << 3) | 2)) status = decodeStatus(reader.bytes());
      else if (tag === ((2 << 3) | 2)) payload = reader.bytes();
      else skipField(reader, tag);
    }
    return { status, payload };
  });
}

function decodeStatus(bytes: Uint8Array): Status {
  const reader = new BinaryReader(bytes);
  let code = 0;
  let message = '';
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag === (1 << 3)) code = reader.int32();
    else if (tag === ((2 << 3) | 2)) message = Buffer.from(reader.bytes()).toString('utf8');
    else skipField(reader, tag);
  }
  return { code, message };
}

/** Runs a decoder over bytes from the guest; whatever it throws is AGENT_PROTOCOL. */
export function orProtocolError<T>(what: string, decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    throw new DomainError('AGENT_PROTOCOL', `the guest agent sent ${what} that can't be read`, {
      remedy: 'the guest is broken, hostile, or not the agent that its profile names',
      cause: error,
    });
  }
}

/** An agent that broke the protocol. */
export function violation(what: string): DomainError {
  return new DomainError('AGENT_PROTOCOL', `the guest agent sent ${what}`, { remedy: 'the guest is broken or hostile; stop the sandbox' });
}

function requestTooLong(method: string, length: number): DomainError {
  return new DomainError('INVALID_REQUEST', `the request ${method} to the guest agent has ${length} bytes, more than ${MAX_PAYLOAD}`, {
    remedy: 'make the container spec smaller',
    facts: { method, bytes: String(length) },
  });
}
