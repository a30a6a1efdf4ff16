import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { OutputName } from '../../../src/core/ports/logs.ts';
import { encodeBytes, encodeSkip, formatTime, HEADER_BYTES, LARGEST_PIECE, LONGEST_LINE } from '../../../src/storage/log/cri-format.ts';
import type { SegmentFile } from '../../../src/storage/log/log-files.ts';
import { segmentName, segmentsOf } from '../../../src/storage/log/segment-name.ts';
import { SegmentScanner } from '../../../src/storage/log/segment-scanner.ts';

const AT = Date.UTC(2026, 10, 23, 17, 3, 5, 123);

function segmentOf(bytes: Buffer, mostAtOnce = Number.POSITIVE_INFINITY): SegmentFile {
  return {
    size: async () => bytes.length,
    read: async (into, position) => bytes.copy(into, 0, position, Math.min(position + into.length, position + mostAtOnce)),
    write: async () => {},
    truncate: async () => {},
    close: async () => {},
  };
}

/** What a reader of the format gets back, per stream. */
async function decoded(bytes: Buffer, mostAtOnce?: number): Promise<{ stdout: Buffer; stderr: Buffer; scanner: SegmentScanner }> {
  const scanner = new SegmentScanner(segmentOf(bytes, mostAtOnce), { stdout: 0n, stderr: 0n });
  const parts: Record<OutputName, Buffer[]> = { stdout: [], stderr: [] };
  while (await scanner.fill()) {
    for (let line = scanner.next(); line !== undefined; line = scanner.next()) {
      if (line.kind === 'skip') continue;
      parts[line.stream].push(Buffer.from(scanner.block.subarray(scanner.start + HEADER_BYTES, scanner.end)), Buffer.from(line.full ? '\n' : ''));
    }
  }
  return { stdout: Buffer.concat(parts.stdout), stderr: Buffer.concat(parts.stderr), scanner };
}

it('a line is what the kubelet reads: time, stream, tag, text', () => {
  expect(encodeBytes('stdout', AT, Buffer.from('hello\nwor')).toString()).toBe('2026-11-23T17:03:05.123000000Z stdout F hello\n2026-11-23T17:03:05.123000000Z stdout P wor\n');
});

it('an empty line is a full line without bytes', () => {
  expect(encodeBytes('stderr', AT, Buffer.from('\n')).toString()).toBe(`${formatTime(AT)} stderr F \n`);
});

it('any bytes of both streams come back with their offsets', async () => {
  const piece = fc.record({ stream: fc.constantFrom<OutputName>('stdout', 'stderr'), data: fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.string({ maxLength: 40 }).map((text) => Buffer.from(`${text}\n${text}`))) });
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 30 }), fc.integer({ min: 1, max: 5000 }), async (pieces, mostAtOnce) => {
      const file = Buffer.concat(pieces.map(({ stream, data }) => encodeBytes(stream, AT, data)));
      const back = await decoded(file, mostAtOnce);
      const wanted = (stream: OutputName): Buffer => Buffer.concat(pieces.filter((item) => item.stream === stream).map((item) => item.data));
      expect(back.stdout.equals(wanted('stdout'))).toBe(true);
      expect(back.stderr.equals(wanted('stderr'))).toBe(true);
      expect(back.scanner.offsets).toEqual({ stdout: BigInt(back.stdout.length), stderr: BigInt(back.stderr.length) });
      expect(back.scanner.position).toBe(file.length);
    }),
    { numRuns: 200 },
  );
});

it('bytes without a newline are cut into lines of bounded length', async () => {
  const data = Buffer.alloc(LARGEST_PIECE * 3 + 17, 0x00);
  const file = encodeBytes('stdout', AT, data);
  const lines = file.toString('latin1').split('\n');
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(LONGEST_LINE);
  expect((await decoded(file)).stdout.equals(data)).toBe(true);
});

it('a hole moves the offset of its stream alone', async () => {
  const file = Buffer.concat([encodeBytes('stdout', AT, Buffer.from('ab')), encodeSkip('stdout', AT, 1_000n), encodeBytes('stdout', AT, Buffer.from('c\n'))]);
  expect((await decoded(file)).scanner.offsets).toEqual({ stdout: 1_002n, stderr: 0n });
});

it('a line that nobody writes stops the scan and is reported', async () => {
  const good = encodeBytes('stdout', AT, Buffer.from('ok\n'));
  const { scanner, stdout } = await decoded(Buffer.concat([good, Buffer.from(`${'x'.repeat(60)}\n`), good]));
  expect(stdout.toString()).toBe('ok\n');
  expect(scanner.broken).toBe(true);
  expect(scanner.position).toBe(good.length);
});

it('an unfinished line is left alone', async () => {
  const good = encodeBytes('stdout', AT, Buffer.from('ok\n'));
  const { scanner } = await decoded(Buffer.concat([good, good.subarray(0, good.length - 1)]));
  expect({ broken: scanner.broken, position: scanner.position }).toEqual({ broken: false, position: good.length });
});

it('times come back to the millisecond, also when they change', async () => {
  const file = Buffer.concat([AT, AT, AT + 7].map((atMs) => encodeBytes('stdout', atMs, Buffer.from('a\n'))));
  const scanner = new SegmentScanner(segmentOf(file), { stdout: 0n, stderr: 0n });
  await scanner.fill();
  const times: number[] = [];
  while (scanner.next() !== undefined) times.push(scanner.atMs);
  expect(times).toEqual([AT, AT, AT + 7]);
});

it('segment names sort as their offsets and come back whole', () => {
  const bases = [{ stdout: 9n, stderr: 0n }, { stdout: 10n, stderr: 0n }, { stdout: 10n, stderr: 123_456_789_012n }];
  const names = [...bases].reverse().map(segmentName);
  expect(segmentsOf([...names, 'notes.txt', '1-2.log']).map((segment) => segment.base)).toEqual(bases);
});
