import { expect, test } from 'vitest';
import { DetachMatcher, parseDetachKeys } from '../../../src/cli/stream/detach-keys.ts';

const bytes = (...values: number[]): Buffer => Buffer.from(values);
const matcher = (text = 'ctrl-p,ctrl-q'): DetachMatcher => new DetachMatcher(parseDetachKeys(text));

test('keys are read as the bytes of a terminal', () => {
  expect([...parseDetachKeys('ctrl-p,ctrl-q')]).toEqual([0x10, 0x11]);
  expect([...parseDetachKeys('ctrl-],a,CTRL-@')]).toEqual([0x1d, 0x61, 0]);
  expect(parseDetachKeys('')).toHaveLength(0);
  expect(() => parseDetachKeys('ctrl-1')).toThrow('"ctrl-1" is no key');
});

test('the sequence detaches, also over two reads; what follows is dropped', () => {
  expect(matcher().feed(bytes(0x61, 0x10, 0x11, 0x62))).toEqual({ pass: bytes(0x61), detached: true });
  const split = matcher();
  expect(split.feed(bytes(0x61, 0x10))).toEqual({ pass: bytes(0x61), detached: false });
  expect(split.feed(bytes(0x11))).toEqual({ pass: bytes(), detached: true });
});

test('a beginning that turns out to be none is let go in order', () => {
  const one = matcher();
  expect(one.feed(bytes(0x10)).pass).toEqual(bytes());
  expect(one.feed(bytes(0x62)).pass).toEqual(bytes(0x10, 0x62));
  expect(one.feed(bytes(0x10)).pass).toEqual(bytes());
  expect(one.flush()).toEqual(bytes(0x10));
  expect(one.flush()).toEqual(bytes());
});

test('the first key twice begins the sequence anew', () => {
  expect(matcher().feed(bytes(0x10, 0x10, 0x11))).toEqual({ pass: bytes(0x10), detached: true });
  expect(matcher('a,a,b').feed(Buffer.from('aaab'))).toEqual({ pass: Buffer.from('a'), detached: true });
  expect(matcher('a,b,a,c').feed(Buffer.from('ababac'))).toEqual({ pass: Buffer.from('ab'), detached: true });
});

test('no keys, no detaching', () => {
  expect(matcher('').feed(bytes(0x10, 0x11))).toEqual({ pass: bytes(0x10, 0x11), detached: false });
});
