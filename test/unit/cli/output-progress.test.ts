import { expect, test } from 'vitest';
import { OutputProgress } from '../../../src/cli/stream/output-progress.ts';

const data = (text: string): Buffer => Buffer.from(text);

test('bytes that were seen are dropped, also in part', () => {
  const progress = new OutputProgress();
  progress.begin(10n);
  expect(progress.accept(10n, data('abcd'))).toEqual({ fresh: data('abcd'), gap: undefined });
  expect(progress.accept(10n, data('abcd'))).toEqual({ fresh: data(''), gap: undefined });
  expect(progress.accept(12n, data('cdef'))).toEqual({ fresh: data('ef'), gap: undefined });
  expect(progress.received).toBe(16n);
});

test('bytes that are skipped without a word are a gap', () => {
  const progress = new OutputProgress();
  expect(progress.accept(5n, data('x'))).toEqual({ fresh: data('x'), gap: { from: 0n, to: 5n } });
});

test('a loss counts once, and only what was not received', () => {
  const progress = new OutputProgress();
  progress.accept(0n, data('abcd'));
  expect(progress.lost(2n, 8n)).toEqual({ from: 4n, to: 8n });
  expect(progress.lost(2n, 8n)).toBeUndefined();
  expect(progress.accept(8n, data('x'))).toEqual({ fresh: data('x'), gap: undefined });
});

test('what was written only grows', () => {
  const progress = new OutputProgress();
  progress.begin(3n);
  progress.wrote(9n);
  progress.wrote(5n);
  expect(progress.written).toBe(9n);
});
