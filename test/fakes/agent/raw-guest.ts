import { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';

import type { ByteStream } from '../../../src/core/ports/host.ts';
import type { Frame } from '../../../src/agents/ttrpc/frame.ts';
import { encodeFrame, FrameDecoder, TYPE_DATA, TYPE_RESPONSE } from '../../../src/agents/ttrpc/frame.ts';

export interface RawRequest {
  readonly streamId: number;
  readonly flags: number;
  readonly service: string;
  readonly method: string;
  readonly payload: Uint8Array;
  readonly timeoutNano: bigint;
}

/** The server side of ttrpc without any service: tells of requests, and answers what the test says. Fields are read with their public numbers. */
export class RawGuest {
  readonly requests: RawRequest[] = [];
  readonly #stream: ByteStream;
  readonly #decoder = new FrameDecoder();
  #onRequest: ((request: RawRequest) => void) | undefined;

  constructor(stream: ByteStream) {
    this.#stream = stream;
    stream.onData((chunk) => { this.#decoder.push(chunk, (frame) => { this.#take(frame); }); });
  }

  onRequest(listener: (request: RawRequest) => void): void {
    this.#onRequest = listener;
  }

  answer(streamId: number, payload: Uint8Array = new Uint8Array(0)): void {
    this.send({ streamId, type: TYPE_RESPONSE, flags: 0, payload: encodeResponse(0, '', payload) });
  }

  refuse(streamId: number, code: number, message: string): void {
    this.send({ streamId, type: TYPE_RESPONSE, flags: 0, payload: encodeResponse(code, message, new Uint8Array(0)) });
  }

  data(streamId: number, payload: Uint8Array): void {
    this.send({ streamId, type: TYPE_DATA, flags: 0, payload });
  }

  send(frame: Frame): void {
    this.#stream.write([encodeFrame(frame)]);
  }

  raw(bytes: Uint8Array): void {
    this.#stream.write([bytes]);
  }

  #take(frame: Frame): void {
    const request = decodeRequest(frame);
    this.requests.push(request);
    this.#onRequest?.(request);
  }
}

function decodeRequest(frame: Frame): RawRequest {
  const reader = new BinaryReader(frame.payload);
  const request = { streamId: frame.streamId, flags: frame.flags, service: '', method: '', payload: new Uint8Array(0), timeoutNano: 0n };
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === 1) request.service = reader.string();
    else if (field === 2) request.method = reader.string();
    else if (field === 3) request.payload = Uint8Array.from(reader.bytes());
    else if (field === 4) request.timeoutNano = BigInt(reader.int64());
    else reader.skip(type, field);
  }
  return request;
}

/** A Response whose status is there also when it is OK, as agents send it. */
function encodeResponse(code: number, message: string, payload: Uint8Array): Uint8Array {
  const writer = new BinaryWriter().uint32(0x0a).fork();
  if (code !== 0) writer.uint32(0x08).int32(code);
  if (message !== '') writer.uint32(0x12).string(message);
  writer.join();
  if (payload.length > 0) writer.uint32(0x12).bytes(payload);
  return writer.finish();
}
