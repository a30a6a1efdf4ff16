import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { ContainerLog, LogEvent, LogReadOptions } from '../../src/core/ports/logs.ts';
import { nodeLogFiles } from '../../src/storage/log/log-files.ts';
import type { LogFiles, SegmentFile } from '../../src/storage/log/log-files.ts';
import { RotatedLogStore } from '../../src/storage/log/log-store.ts';
import { errno } from '../fakes/faults.ts';
import { ManualClock, settle } from '../fakes/manual-clock.ts';

let directory: string;
const opened: ContainerLog[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vv-log-'));
});

afterEach(async () => {
  for (const log of opened.splice(0)) await log.close();
  await rm(directory, { recursive: true, force: true });
});

async function open(options: { segmentBytes?: number; segments?: number; files?: LogFiles; place?: string } = {}): Promise<ContainerLog> {
  const { segmentBytes = 10 * 1024 * 1024, segments = 3, files = nodeLogFiles(), place = directory } = options;
  const log = await new RotatedLogStore(files, new ManualClock(), { segmentBytes, segments }).open(place);
  opened.push(log);
  return log;
}

async function put(log: ContainerLog, text: string): Promise<void> {
  await log.append('stdout', log.end.stdout, Buffer.from(text), 1_000);
}

async function textOf(log: ContainerLog, options: Partial<LogReadOptions> = {}): Promise<string> {
  let text = '';
  for await (const event of log.read({ follow: false, ...options })) text += shown(event);
  return text;
}

function shown(event: LogEvent): string {
  return event.kind === 'data' ? Buffer.from(event.data).toString() : `[lost ${event.from}-${event.to}]`;
}

/** Files whose next writes stop half-way with an errno. */
function failingFiles(code: string): { files: LogFiles; failNext: (writes: number) => void } {
  const real = nodeLogFiles();
  let left = 0;
  const half = (file: SegmentFile): SegmentFile => ({
    ...file,
    write: async (bytes, position) => {
      if (left === 0) {
        await file.write(bytes, position);
        return;
      }
      left -= 1;
      await file.write(bytes.subarray(0, bytes.length >> 1), position);
      throw errno(code);
    },
  });
  return { files: { ...real, openToWrite: async (path) => half(await real.openToWrite(path)) }, failNext: (writes) => { left = writes; } };
}

it('keeps so many segments, and says what is lost to one who comes from before', async () => {
  const log = await open({ segmentBytes: 500, segments: 3 });
  for (let index = 0; index < 100; index += 1) await put(log, `line ${String(index).padStart(3, '0')}\n`);
  expect(await readdir(directory)).toHaveLength(3);
  const text = await textOf(log, { from: { stdout: 0n, stderr: 0n } });
  expect(text).toMatch(/^\[lost 0-\d+\]line \d{3}\n/);
  expect(text.endsWith('line 099\n')).toBe(true);
  expect((await textOf(log)).startsWith('line ')).toBe(true);
});

it('what is between two offsets comes from the segments that hold it, without the older ones', async () => {
  const log = await open({ segmentBytes: 500, segments: 100 });
  for (let index = 0; index < 100; index += 1) await put(log, `line ${String(index).padStart(3, '0')}\n`);
  const [oldest] = (await readdir(directory)).sort();
  await writeFile(join(directory, oldest!), 'not a log\n');
  expect(await textOf(log, { from: { stdout: 900n - 18n, stderr: 0n } })).toBe('line 098\nline 099\n');
});

it('a slow follower costs nothing, loses what was rotated away, and is told', async () => {
  const log = await open({ segmentBytes: 500, segments: 2 });
  await put(log, 'first\n');
  const reader = log.read({ follow: true })[Symbol.asyncIterator]();
  const first = await reader.next();
  for (let index = 0; index < 200; index += 1) await put(log, `line ${String(index).padStart(3, '0')}\n`);
  await log.finish();
  let text = shown(first.value as LogEvent);
  for (let next = await reader.next(); next.done !== true; next = await reader.next()) text += shown(next.value);
  expect(text).toMatch(/^first\n(line \d{3}\n)*\[lost \d+-\d+\](line \d{3}\n)*line 199\n$/);
});

it.each([['ENOSPC', 'STORAGE_FULL'], ['EDQUOT', 'STORAGE_FULL'], ['EIO', 'HOST_RESOURCE']])('a write that stops half-way with %s is %s, leaves nothing of it, and can be tried again', async (code, reason) => {
  const { files, failNext } = failingFiles(code);
  const log = await open({ files });
  await put(log, 'before\n');
  failNext(1);
  await expect(put(log, 'one\ntwo\nthree\n')).rejects.toMatchObject({ reason });
  expect(log.end.stdout).toBe(7n);
  expect(await textOf(log)).toBe('before\n');
  await put(log, 'one\ntwo\nthree\n');
  expect(await textOf(log)).toBe('before\none\ntwo\nthree\n');
});

it('a torn last line is cut when the log is opened, and its bytes are asked for again by the offset', async () => {
  const before = await open();
  await put(before, 'whole\n');
  const size = (await stat(before.path)).size;
  await put(before, 'torn\n');
  const bytes = await readFile(before.path);
  await writeFile(before.path, bytes.subarray(0, bytes.length - 3));
  const log = await open();
  expect(log.end.stdout).toBe(6n);
  expect((await stat(log.path)).size).toBe(size);
  await put(log, 'again\n');
  expect(await textOf(log)).toBe('whole\nagain\n');
});

it('a damaged segment is kept as it is, and the log goes on in a new one', async () => {
  const before = await open();
  await put(before, 'whole\n');
  await writeFile(before.path, 'garbage that nobody wrote, longer than a header is\n', { flag: 'a' });
  const log = await open();
  await put(log, 'after\n');
  expect(await readdir(directory)).toHaveLength(2);
  expect(await readFile(before.path, 'utf8')).toContain('garbage');
  expect(await textOf(log)).toBe('whole\nafter\n');
});

it('a reader never sees bytes of a write that is not whole', async () => {
  const { files, failNext } = failingFiles('ENOSPC');
  const log = await open({ files });
  const following = textOf(log, { follow: true });
  for (let index = 0; index < 20; index += 1) {
    failNext(1);
    await expect(put(log, `one ${index}\ntwo\nthree\n`)).rejects.toMatchObject({ reason: 'STORAGE_FULL' });
    await settle();
    await put(log, `${index}\n`);
  }
  await log.finish();
  expect(await following).toBe(Array.from({ length: 20 }, (_, index) => `${index}\n`).join(''));
});

it('large chunks of text are written and read at the speed of memory, and short lines in linear time', async () => {
  const chunk = Buffer.from(`${'x'.repeat(79)}\n`.repeat(3_200));
  const log = await open({ segmentBytes: 64 * 1024 * 1024, segments: 2 });
  const began = performance.now();
  for (let index = 0; index < 100; index += 1) await log.append('stdout', log.end.stdout, chunk, 1_000 + index);
  const written = performance.now();
  let bytes = 0;
  for await (const event of log.read({ follow: false })) bytes += event.kind === 'data' ? event.data.length : 0;
  const read = performance.now();
  const rate = (ms: number): string => `${(chunk.length * 100 / 1e6 / (ms / 1_000)).toFixed(0)} MB/s`;
  console.log(`append ${rate(written - began)}, read ${rate(read - written)}`);
  expect(bytes).toBe(chunk.length * 100);
  const lines = await open({ place: join(directory, 'lines') });
  const short = performance.now();
  for (let index = 0; index < 5_000; index += 1) await put(lines, 'y\n');
  console.log(`${((performance.now() - short) / 5).toFixed(1)} µs a short line`);
});
