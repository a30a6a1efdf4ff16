import { describe, expect, it } from 'vitest';
import { decodeLz4Legacy } from '../../../guest/builder/lz4-legacy.ts';

const frame = (...blocks: number[][]): Buffer => {
  const parts = blocks.map((block) => {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(block.length);
    return Buffer.concat([length, Buffer.from(block)]);
  });
  return Buffer.concat([Buffer.from([0x02, 0x21, 0x4c, 0x18]), ...parts]);
};
const ascii = (text: string): number[] => [...Buffer.from(text)];

describe('decodeLz4Legacy', () => {
  it('copies literals', () => {
    expect(decodeLz4Legacy(frame([0x30, ...ascii('abc')])).toString()).toBe('abc');
  });

  it('repeats a match that overlaps what it writes', () => {
    // Literals "ab", then 11 bytes from 2 back, then the literal "!".
    expect(decodeLz4Legacy(frame([0x27, ...ascii('ab'), 2, 0, 0x10, ...ascii('!')])).toString()).toBe('abababababab' + 'a!');
  });

  it('reads lengths that go on over several bytes', () => {
    const text = 'x'.repeat(15 + 255 + 3);
    expect(decodeLz4Legacy(frame([0xf0, 255, 3, ...ascii(text)])).toString()).toBe(text);
  });

  it('joins blocks, none of which sees the one before', () => {
    expect(decodeLz4Legacy(frame([0x10, ...ascii('a')], [0x10, ...ascii('b')])).toString()).toBe('ab');
    expect(() => decodeLz4Legacy(frame([0x10, ...ascii('a')], [0x00, 1, 0, 0x10, 0x62]))).toThrow(/outside the block/);
  });

  it.each([
    ['no magic number', Buffer.from('abcdefgh')],
    ['a block that is cut off', frame([0x30, ...ascii('abc')]).subarray(0, -1)],
    ['literals that are cut off', frame([0x50, ...ascii('abc')])],
    ['a match at offset zero', frame([0x10, 0x61, 0, 0, 0x10, 0x62])],
    ['a length word that is cut off', Buffer.concat([frame([0x10, 0x61]), Buffer.from([1, 2])])],
  ])('refuses %s', (_what, bytes) => {
    expect(() => decodeLz4Legacy(bytes)).toThrow(/can't be decoded/);
  });
});
