import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BadJsonLineError, LineSplitter, LineTooLongError, formatJsonLine, parseJsonLine } from '../../../src/base/json-lines.ts';

/** Cuts bytes at the given places. */
function chunksOf(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...places].map((from, index) => bytes.subarray(from, places[index] ?? bytes.length));
}

describe('LineSplitter', () => {
  it('gives the same lines however the bytes are cut', () => {
    fc.assert(
      fc.property(fc.array(fc.json(), { maxLength: 20 }), fc.array(fc.nat(), { maxLength: 30 }), (values, cuts) => {
        const bytes = Buffer.from(values.map((value) => `${value}\n`).join(''), 'utf8');
        const splitter = new LineSplitter();
        const lines = chunksOf(bytes, cuts).flatMap((chunk) => splitter.push(chunk));
        expect(lines.map((line) => line.toString('utf8'))).toEqual(values);
        expect(splitter.pendingBytes).toBe(0);
      }),
    );
  });

  it('keeps an unfinished line in memory of its own', () => {
    const splitter = new LineSplitter();
    const chunk = Buffer.from('abc');
    expect(splitter.push(chunk)).toEqual([]);
    chunk.fill(0);
    expect(splitter.push(Buffer.from('d\ne')).map(String)).toEqual(['abcd']);
    expect(splitter.pendingBytes).toBe(1);
  });

  it('passes empty lines on', () => {
    expect(new LineSplitter().push(Buffer.from('\n\n')).map(String)).toEqual(['', '']);
  });

  it('takes a line of exactly the limit and refuses one more byte, for good', () => {
    const fits = new LineSplitter(4);
    expect(fits.push(Buffer.from('abcd\n')).map(String)).toEqual(['abcd']);
    const splitter = new LineSplitter(4);
    splitter.push(Buffer.from('abcd'));
    expect(() => splitter.push(Buffer.from('e'))).toThrow(LineTooLongError);
    expect(() => splitter.push(Buffer.from('\n'))).toThrow(LineTooLongError);
  });

  it('joins a large line from small pieces in linear time', () => {
    const splitter = new LineSplitter();
    const piece = Buffer.alloc(1024, 0x61);
    for (let i = 0; i < 16 * 1024; i += 1) splitter.push(piece);
    const [line] = splitter.push(Buffer.from('\n'));
    expect(line?.length).toBe(16 * 1024 * 1024);
    expect(splitter.pendingBytes).toBe(0);
  });
});

describe('parseJsonLine', () => {
  it('takes back what formatJsonLine wrote', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const line = formatJsonLine(value);
        expect(line.indexOf('\n')).toBe(line.length - 1);
        expect(formatJsonLine(parseJsonLine(Buffer.from(line)))).toBe(line);
      }),
    );
  });

  it('tolerates a carriage return', () => {
    expect(parseJsonLine(Buffer.from('{"a":1}\r'))).toEqual({ a: 1 });
  });

  it('names the beginning of what is no JSON', () => {
    const error = ((): unknown => {
      try {
        return parseJsonLine(Buffer.from(`nonsense ${'x'.repeat(500)}`));
      } catch (caught) {
        return caught;
      }
    })();
    expect(error).toBeInstanceOf(BadJsonLineError);
    expect((error as BadJsonLineError).excerpt).toHaveLength(120);
  });
});
