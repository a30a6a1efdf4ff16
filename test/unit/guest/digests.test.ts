import { describe, expect, it } from 'vitest';
import { digestOf, sha256 } from '../../../guest/builder/digests.ts';

describe('digestOf', () => {
  it('does not depend on the order of keys but on every value', () => {
    expect(digestOf({ a: 1, b: { c: [1, 2], d: null } })).toBe(digestOf({ b: { d: null, c: [1, 2] }, a: 1 }));
    expect(digestOf({ a: [1, 2] })).not.toBe(digestOf({ a: [2, 1] }));
  });
});

describe('sha256', () => {
  it('is the digest of FIPS 180-2 for "abc"', () => {
    expect(sha256('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  });
});
