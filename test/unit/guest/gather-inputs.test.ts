import { describe, expect, it } from 'vitest';
import { digestOf } from '../../../guest/builder/digests.ts';
import { agentVersion } from '../../../guest/builder/gather-inputs.ts';

describe('agentVersion', () => {
  it('finds the version that the binary carries', () => {
    expect(agentVersion(Buffer.from('\0viv-agent/x\0\0viv-agent/0.12.3\0'))).toBe('0.12.3');
  });

  it('knows none when there is none', () => {
    expect(agentVersion(Buffer.from('a program'))).toBeNull();
  });
});

describe('digestOf', () => {
  it('does not depend on the order of keys but on every value', () => {
    expect(digestOf({ a: 1, b: { c: [1, 2], d: null } })).toBe(digestOf({ b: { d: null, c: [1, 2] }, a: 1 }));
    expect(digestOf({ a: [1, 2] })).not.toBe(digestOf({ a: [2, 1] }));
  });
});
