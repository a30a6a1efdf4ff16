import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { Frame } from '../../../../src/agents/ttrpc/frame.ts';
import { encodeFrame, FrameDecoder, HEADER_BYTES, MAX_PAYLOAD, writeHeader } from '../../../../src/agents/ttrpc/frame.ts';
import { cutAt } from '../../../fakes/agent/cut.ts';

function decode(chunks: readonly Uint8Array[]): Frame[] {
  const decoder = new FrameDecoder();
  const frames: Frame[] = [];
  for (const chunk of chunks) decoder.push(chunk, (frame) => frames.push({ ...frame, payload: Uint8Array.from(frame.payload) }));
  return frames;
}

const anyFrame = fc.record({
  streamId: fc.integer({ min: 0, max: 0xffff_ffff }),
  type: fc.integer({ min: 0, max: 255 }),
  flags: fc.integer({ min: 0, max: 255 }),
  payload: fc.uint8Array({ maxLength: 300 }),
});

describe('frame codec', () => {
  it('writes the header of a known request', () => {
    const header = new Uint8Array(HEADER_BYTES);
    writeHeader(header, { length: 0x14, streamId: 3, type: 1, flags: 0 });
    expect(Buffer.from(header).toString('hex')).toBe('00000014000000030100');
  });

  it('gives back any frames, wherever the stream is cut', () => {
    fc.assert(fc.property(fc.array(anyFrame, { maxLength: 8 }), fc.array(fc.nat(3000), { maxLength: 12 }), (frames, cuts) => {
      const wire = Buffer.concat(frames.map(encodeFrame));
      expect(decode(cutAt(wire, cuts))).toEqual(frames);
    }));
  });

  it('gives back frames byte by byte', () => {
    const frames = [{ streamId: 1, type: 2, flags: 0, payload: Uint8Array.of(1, 2, 3) }, { streamId: 0xffff_fffd, type: 3, flags: 1, payload: new Uint8Array(0) }];
    const wire = Buffer.concat(frames.map(encodeFrame));
    expect(decode([...wire].map((byte) => Uint8Array.of(byte)))).toEqual(frames);
  });

  it('hands out a payload that lies in one chunk without copying it', () => {
    const wire = encodeFrame({ streamId: 1, type: 2, flags: 0, payload: new Uint8Array(1000) });
    let payload: Uint8Array | undefined;
    new FrameDecoder().push(wire, (frame) => { payload = frame.payload; });
    expect(payload?.buffer).toBe(wire.buffer);
  });

  it('takes the largest frame in 64 KiB chunks and copies each byte a bounded number of times', () => {
    const payload = Buffer.alloc(MAX_PAYLOAD, 7);
    const wire = Buffer.from(encodeFrame({ streamId: 1, type: 2, flags: 0, payload }));
    const chunks = Array.from({ length: Math.ceil(wire.length / 65536) }, (_, i) => wire.subarray(i * 65536, (i + 1) * 65536));
    const [frame] = decode(chunks);
    expect(Buffer.compare(frame!.payload, payload)).toBe(0);
  });

  it('refuses a length over 4 MiB as soon as the header is there', () => {
    const header = new Uint8Array(HEADER_BYTES);
    writeHeader(header, { length: MAX_PAYLOAD + 1, streamId: 1, type: 2, flags: 0 });
    expect(() => decode([header])).toThrow(expect.objectContaining({ reason: 'AGENT_PROTOCOL' }));
  });
});
