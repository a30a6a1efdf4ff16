import fc from 'fast-check';
import { expect, test } from 'vitest';
import { StdinWindow } from '../../../src/cli/stream/stdin-window.ts';

test('sends in order, no more than the window, and goes on when acknowledged', () => {
  const window = new StdinWindow(10);
  window.begin(100n);
  window.push(Buffer.from('0123456789abcde'));
  expect(window.room).toBe(0);
  expect(window.next(6)).toEqual({ offset: 100n, data: Buffer.from('012345') });
  expect(window.next(6)).toEqual({ offset: 106n, data: Buffer.from('6789') });
  expect(window.next(6)).toBeUndefined();
  window.ack(104n);
  expect(window.next(100)).toEqual({ offset: 110n, data: Buffer.from('abcd') });
  window.ack(114n);
  expect(window.room).toBe(9);
  expect(window.next(100)).toEqual({ offset: 114n, data: Buffer.from('e') });
});

test('is finished when the end was read and everything sent', () => {
  const window = new StdinWindow(10);
  window.push(Buffer.from('ab'));
  window.end();
  expect(window.finished).toBe(false);
  window.next(10);
  expect(window.finished).toBe(true);
});

test('rewinds to where the daemon goes on', () => {
  const window = new StdinWindow(10);
  window.push(Buffer.from('abcdef'));
  window.next(10);
  window.ack(2n);
  window.rewind(3n);
  expect(window.next(10)).toEqual({ offset: 3n, data: Buffer.from('def') });
  expect(() => { window.rewind(1n); }).toThrow(RangeError);
  expect(() => { window.rewind(7n); }).toThrow(RangeError);
});

test('an old, repeated or too large acknowledgement does no harm', () => {
  const window = new StdinWindow(10);
  window.push(Buffer.from('abcdef'));
  window.next(4);
  window.ack(2n);
  window.ack(1n);
  window.ack(2n);
  expect(window.next(10)).toEqual({ offset: 4n, data: Buffer.from('ef') });
  window.ack(99n);
  expect(window.room).toBe(10);
});

test('whatever breaks and whenever: the receiver gets every byte once', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('push' as const), size: fc.integer({ min: 1, max: 30 }) }),
    fc.record({ kind: fc.constant('send' as const), size: fc.integer({ min: 1, max: 20 }) }),
    fc.record({ kind: fc.constant('ack' as const), size: fc.integer({ min: 0, max: 40 }) }),
    fc.record({ kind: fc.constant('break' as const), size: fc.integer({ min: 0, max: 40 }) }),
  );
  fc.assert(fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
    const window = new StdinWindow(16);
    let pushed = Buffer.alloc(0);
    let received = Buffer.alloc(0);
    let acked = 0;
    const receive = (piece: { offset: bigint; data: Buffer } | undefined): void => {
      if (piece === undefined) return;
      expect(Number(piece.offset)).toBeLessThanOrEqual(received.length);
      received = Buffer.concat([received, piece.data.subarray(received.length - Number(piece.offset))]);
      expect(received.length - acked).toBeLessThanOrEqual(16);
    };
    for (const { kind, size } of steps) {
      if (kind === 'push') {
        const chunk = Buffer.from(Array.from({ length: size }, (_, index) => (pushed.length + index) % 251));
        pushed = Buffer.concat([pushed, chunk]);
        window.push(chunk);
      } else if (kind === 'send') receive(window.next(size));
      else {
        acked = Math.min(received.length, acked + size);
        if (kind === 'ack') window.ack(BigInt(acked));
        else window.rewind(BigInt(acked));
      }
    }
    for (let left = 1000; left > 0 && received.length < pushed.length; left -= 1) {
      receive(window.next(7));
      acked = received.length;
      window.ack(BigInt(acked));
    }
    expect(received.equals(pushed)).toBe(true);
  }));
});
