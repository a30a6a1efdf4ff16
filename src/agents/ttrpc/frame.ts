import { DomainError } from '../../core/model/errors.ts';

export const HEADER_BYTES = 10;
/** The largest payload that either side sends. */
export const MAX_PAYLOAD = 4 * 1024 * 1024;

export const TYPE_REQUEST = 1;
export const TYPE_RESPONSE = 2;
export const TYPE_DATA = 3;
/** On a request: nothing more will come from this side. */
export const FLAG_REMOTE_CLOSED = 0x01;

/** One ttrpc frame. `payload` may be a view of the chunk it came in: keep it only as long as it is needed. */
export interface Frame {
  readonly streamId: number;
  readonly type: number;
  readonly flags: number;
  readonly payload: Uint8Array;
}

/** Room set aside for a payload before its bytes have come: a header alone must not cost megabytes. Holds any data frame of 256 KiB. */
const FIRST_ROOM = 264 * 1024;

/** Writes the ten bytes in front of a payload: length (4) and stream id (4), big endian, type (1), flags (1). */
export function writeHeader(target: Uint8Array, header: { length: number; streamId: number; type: number; flags: number }): void {
  writeUint32(target, 0, header.length);
  writeUint32(target, 4, header.streamId);
  target[8] = header.type;
  target[9] = header.flags;
}

/** A whole frame in one piece. */
export function encodeFrame(frame: Frame): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + frame.payload.length);
  writeHeader(bytes, { ...frame, length: frame.payload.length });
  bytes.set(frame.payload, HEADER_BYTES);
  return bytes;
}

/**
 * Cuts a byte stream into frames, wherever its chunks are cut. A payload that lies whole in one chunk is handed out without a copy; any other is
 * copied once. A length over 4 MiB throws AGENT_PROTOCOL, after which the stream can't be read on.
 */
export class FrameDecoder {
  readonly #header = new Uint8Array(HEADER_BYTES);
  #headerBytes = 0;
  #length = 0;
  #body: Uint8Array | undefined;
  #bodyBytes = 0;

  /** Takes bytes in and hands every frame that they complete to `sink`, in order. */
  push(chunk: Uint8Array, sink: (frame: Frame) => void): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#headerBytes < HEADER_BYTES) {
        at = this.#takeHeader(chunk, at);
        if (this.#headerBytes < HEADER_BYTES) return;
        if (this.#length === 0) this.#emit(chunk.subarray(at, at), sink);
        continue;
      }
      at = this.#takeBody(chunk, at, sink);
    }
  }

  /** True in the middle of a frame. */
  get midFrame(): boolean {
    return this.#headerBytes > 0;
  }

  #takeHeader(chunk: Uint8Array, at: number): number {
    const end = Math.min(chunk.length, at + HEADER_BYTES - this.#headerBytes);
    for (let i = at; i < end; i++) this.#header[this.#headerBytes++] = chunk[i] as number;
    if (this.#headerBytes === HEADER_BYTES) {
      this.#length = readUint32(this.#header, 0);
      if (this.#length > MAX_PAYLOAD) throw tooLong(this.#length);
    }
    return end;
  }

  #takeBody(chunk: Uint8Array, at: number, sink: (frame: Frame) => void): number {
    const end = Math.min(chunk.length, at + this.#length - this.#bodyBytes);
    if (this.#bodyBytes === 0 && end - at === this.#length) {
      this.#emit(chunk.subarray(at, end), sink);
      return end;
    }
    const body = this.#room(this.#bodyBytes + end - at);
    body.set(chunk.subarray(at, end), this.#bodyBytes);
    this.#bodyBytes += end - at;
    if (this.#bodyBytes === this.#length) this.#emit(body.subarray(0, this.#length), sink);
    return end;
  }

  /** A buffer with room for so many bytes, doubled as they really come. */
  #room(bytes: number): Uint8Array {
    const old = this.#body;
    if (old !== undefined && old.length >= bytes) return old;
    const size = Math.min(this.#length, Math.max(FIRST_ROOM, bytes, (old?.length ?? 0) * 2));
    const grown = Buffer.allocUnsafeSlow(size);
    if (old !== undefined) grown.set(old.subarray(0, this.#bodyBytes));
    this.#body = grown;
    return grown;
  }

  /** The state is reset first: the sink may throw, or look at this decoder. */
  #emit(payload: Uint8Array, sink: (frame: Frame) => void): void {
    const frame = { streamId: readUint32(this.#header, 4), type: this.#header[8] as number, flags: this.#header[9] as number, payload };
    this.#headerBytes = 0;
    this.#bodyBytes = 0;
    this.#length = 0;
    this.#body = undefined;
    sink(frame);
  }
}

function tooLong(length: number): DomainError {
  return new DomainError('AGENT_PROTOCOL', `the guest agent announced a frame of ${length} bytes, more than ${MAX_PAYLOAD}`, {
    remedy: 'the guest is broken or hostile; stop the sandbox',
    facts: { frame_bytes: String(length) },
  });
}

function writeUint32(target: Uint8Array, at: number, value: number): void {
  target[at] = value >>> 24;
  target[at + 1] = (value >>> 16) & 0xff;
  target[at + 2] = (value >>> 8) & 0xff;
  target[at + 3] = value & 0xff;
}

function readUint32(source: Uint8Array, at: number): number {
  const high = ((source[at] as number) << 8) | (source[at + 1] as number);
  const low = ((source[at + 2] as number) << 8) | (source[at + 3] as number);
  return high * 0x10000 + low;
}
