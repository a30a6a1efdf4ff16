import { describe, expect, it } from 'vitest';
import { findPayload, isBzImage, isElf64 } from '../../../guest/builder/bzimage.ts';

const image = (payload: Buffer, options: { version?: number; sectors?: number; length?: number } = {}): Buffer => {
  const sectors = options.sectors ?? 2;
  const head = Buffer.alloc(((sectors || 4) + 1) * 512 + 64);
  head[0x1f1] = sectors;
  head.write('HdrS', 0x202, 'latin1');
  head.writeUInt16LE(options.version ?? 0x20f, 0x206);
  head.writeUInt32LE(64, 0x248);
  head.writeUInt32LE(options.length ?? payload.length, 0x24c);
  return Buffer.concat([head, payload, Buffer.from('the loader follows')]);
};
const payloadOf = (magic: number[]): Buffer => Buffer.concat([Buffer.from(magic), Buffer.alloc(16, 7), Buffer.from([1, 2, 3, 4])]);

describe('findPayload', () => {
  it.each([
    ['lz4', [0x02, 0x21, 0x4c, 0x18], 4],
    ['gzip', [0x1f, 0x8b, 0x08, 0x00], 0],
    ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], 4],
    ['zstd', [0x28, 0xb5, 0x2f, 0xfd], 4],
  ] as const)('knows %s and cuts off the appended size where there is one', (compression, magic, cut) => {
    const payload = payloadOf([...magic]);
    const found = findPayload(image(payload));
    expect(found.compression).toBe(compression);
    expect(Buffer.from(found.data)).toEqual(payload.subarray(0, payload.length - cut));
  });

  it('takes no setup sectors for four', () => {
    expect(findPayload(image(payloadOf([0x1f, 0x8b, 0x08, 0]), { sectors: 0 })).compression).toBe('gzip');
  });

  it.each([
    ['an image of an older protocol', image(payloadOf([0x1f, 0x8b, 8, 0]), { version: 0x207 }), /boot protocol 2\.7/],
    ['an unknown packing', image(payloadOf([1, 2, 3, 4])), /unknown way/],
    ['a payload beyond the end', image(payloadOf([0x1f, 0x8b, 8, 0]), { length: 9999 }), /cut off/],
    ['something else', Buffer.alloc(2048), /neither a bzImage nor an ELF/],
  ])('refuses %s', (_what, bytes, message) => {
    expect(() => findPayload(bytes)).toThrow(message);
  });
});

describe('isElf64 and isBzImage', () => {
  it('tell the two apart', () => {
    const elf = Buffer.alloc(2048);
    elf.set([0x7f, 0x45, 0x4c, 0x46, 2, 1]);
    expect([isElf64(elf), isBzImage(elf)]).toEqual([true, false]);
    const packed = image(payloadOf([0x1f, 0x8b, 8, 0]));
    expect([isElf64(packed), isBzImage(packed)]).toEqual([false, true]);
  });
});
