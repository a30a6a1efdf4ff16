import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ContainerLog, LogEvent, LogReadOptions, LogStore, OutputName } from '../../src/core/ports/logs.ts';
import { nodeLogFiles } from '../../src/storage/log/log-files.ts';
import { RotatedLogStore } from '../../src/storage/log/log-store.ts';
import { ManualClock, settle } from '../fakes/manual-clock.ts';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vv-log-'));
});

afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

const stores: Readonly<Record<string, () => LogStore>> = {
  'files that seldom rotate': () => new RotatedLogStore(nodeLogFiles(), new ManualClock()),
  'files that rotate all the time': () => new RotatedLogStore(nodeLogFiles(), new ManualClock(), { segmentBytes: 200, segments: 1_000 }),
};

async function collect(log: ContainerLog, options: Partial<LogReadOptions> = {}): Promise<readonly LogEvent[]> {
  const events: LogEvent[] = [];
  for await (const event of log.read({ follow: false, ...options })) events.push(event);
  return events;
}

function bytesOf(events: readonly LogEvent[], stream: OutputName): Buffer {
  return Buffer.concat(events.flatMap((event) => (event.kind === 'data' && event.stream === stream ? [event.data] : [])));
}

function textOf(events: readonly LogEvent[]): string {
  return events.map((event) => (event.kind === 'data' ? Buffer.from(event.data).toString() : `[lost ${event.stream} ${event.from}-${event.to}]`)).join('');
}

/** Appends texts one after the other, each at its stream's end. */
async function write(log: ContainerLog, ...parts: readonly (readonly [OutputName, string, number?])[]): Promise<void> {
  for (const [stream, text, atMs = 1_000] of parts) await log.append(stream, log.end[stream], Buffer.from(text), atMs);
}

describe.each(Object.entries(stores))('a container log in %s', (_name, make) => {
  it('gives back both streams with offsets and times', async () => {
    const log = await make().open(directory);
    await write(log, ['stdout', 'one\n', 1_000], ['stderr', 'two', 2_000], ['stdout', 'three\n', 3_000]);
    expect(await collect(log)).toEqual([
      { kind: 'data', stream: 'stdout', offset: 0n, data: new Uint8Array(Buffer.from('one\n')), atMs: 1_000 },
      { kind: 'data', stream: 'stderr', offset: 0n, data: new Uint8Array(Buffer.from('two')), atMs: 2_000 },
      { kind: 'data', stream: 'stdout', offset: 4n, data: new Uint8Array(Buffer.from('three\n')), atMs: 3_000 },
    ]);
    await log.close();
  });

  it('gives back any bytes from any offsets, also to the next daemon', async () => {
    let run = 0;
    const piece = fc.record({ stream: fc.constantFrom<OutputName>('stdout', 'stderr'), data: fc.oneof(fc.uint8Array({ minLength: 1, maxLength: 300 }), fc.constant(Buffer.from('a\n\nb\n'))) });
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 25 }), fc.nat(), fc.nat(), async (pieces, some, other) => {
        run += 1;
        const place = join(directory, String(run));
        const first = await make().open(place);
        for (const { stream, data } of pieces) await first.append(stream, first.end[stream], data, 1_000);
        await first.close();
        const log = await make().open(place);
        const whole = (stream: OutputName): Buffer => Buffer.concat(pieces.filter((item) => item.stream === stream).map((item) => item.data));
        expect(log.end).toEqual({ stdout: BigInt(whole('stdout').length), stderr: BigInt(whole('stderr').length) });
        const from = { stdout: some % (whole('stdout').length + 1), stderr: other % (whole('stderr').length + 1) };
        const events = await collect(log, { from: { stdout: BigInt(from.stdout), stderr: BigInt(from.stderr) } });
        expect(bytesOf(events, 'stdout').equals(whole('stdout').subarray(from.stdout))).toBe(true);
        expect(bytesOf(events, 'stderr').equals(whole('stderr').subarray(from.stderr))).toBe(true);
        await log.close();
      }),
      { numRuns: 60 },
    );
  });

  it('drops bytes that it has and refuses to leave a hole unsaid', async () => {
    const log = await make().open(directory);
    await log.append('stdout', 0n, Buffer.from('abc'), 1_000);
    await log.append('stdout', 1n, Buffer.from('bcde'), 1_000);
    await log.append('stdout', 0n, Buffer.from('ab'), 1_000);
    await expect(log.append('stdout', 9n, Buffer.from('x'), 1_000)).rejects.toMatchObject({ reason: 'OFFSET_OUT_OF_RANGE' });
    expect(textOf(await collect(log))).toBe('abcde');
    await log.close();
  });

  it('tells of a hole, also to the next daemon', async () => {
    const first = await make().open(directory);
    await write(first, ['stdout', 'ab\n']);
    await first.skip('stdout', 100n);
    await write(first, ['stdout', 'cd\n']);
    await first.close();
    const log = await make().open(directory);
    expect(log.end.stdout).toBe(103n);
    expect(textOf(await collect(log))).toBe('ab\n[lost stdout 3-100]cd\n');
    expect(textOf(await collect(log, { from: { stdout: 50n, stderr: 0n } }))).toBe('[lost stdout 50-100]cd\n');
    await log.close();
  });

  it('gives the last lines of both streams together', async () => {
    const log = await make().open(directory);
    await write(log, ['stdout', '1\n2\n'], ['stderr', '3\n'], ['stdout', '4\n5']);
    const tails = await Promise.all([0, 1, 2, 3, 5, 99].map(async (tail) => textOf(await collect(log, { tail }))));
    expect(tails).toEqual(['', '5', '4\n5', '3\n4\n5', '1\n2\n3\n4\n5', '1\n2\n3\n4\n5']);
    await log.close();
  });

  it('gives what is not older than a time', async () => {
    const log = await make().open(directory);
    await write(log, ['stdout', 'a\n', 1_000], ['stderr', 'b\n', 2_000], ['stdout', 'c\n', 3_000]);
    expect(textOf(await collect(log, { sinceMs: 2_000 }))).toBe('b\nc\n');
    await log.close();
  });

  it('a follower gets what is there, what comes, and the end', async () => {
    const log = await make().open(directory);
    await write(log, ['stdout', 'before\n']);
    const following = collect(log, { follow: true });
    await settle();
    for (let index = 0; index < 20; index += 1) await write(log, ['stdout', `line ${index}\n`], ['stderr', 'e\n']);
    await log.finish();
    const events = await following;
    expect(bytesOf(events, 'stdout').toString()).toBe(`before\n${Array.from({ length: 20 }, (_, index) => `line ${index}\n`).join('')}`);
    expect(bytesOf(events, 'stderr').toString()).toBe('e\n'.repeat(20));
    await log.close();
  });

  it('a follower of the tail gets only what comes', async () => {
    const log = await make().open(directory);
    await write(log, ['stdout', 'old\n']);
    const following = collect(log, { follow: true, tail: 0 });
    await write(log, ['stdout', 'new\n']);
    await log.finish();
    expect(textOf(await following)).toBe('new\n');
    await log.close();
  });

  it('a follower ends with the reason of its signal', async () => {
    const log = await make().open(directory);
    const controller = new AbortController();
    const following = expect(collect(log, { follow: true, signal: controller.signal })).rejects.toThrow('enough');
    await settle();
    controller.abort(new Error('enough'));
    await following;
    await log.close();
  });

  it('closing ends the followers', async () => {
    const log = await make().open(directory);
    const following = collect(log, { follow: true });
    await settle();
    await log.close();
    expect(await following).toEqual([]);
  });

  it('a follower that stops reading leaves nothing behind', async () => {
    const log = await make().open(directory);
    await write(log, ['stdout', 'a\n'], ['stdout', 'b\n']);
    for await (const event of log.read({ follow: true })) {
      expect(event.kind).toBe('data');
      break;
    }
    await log.close();
  });

  it('goes on after it was finished, as a container that is started again does', async () => {
    const log = await make().open(directory);
    await write(log, ['stdout', 'one\n']);
    await log.finish();
    await write(log, ['stdout', 'two\n']);
    expect(textOf(await collect(log))).toBe('one\ntwo\n');
    await log.close();
  });

  it('appends that overlap are written in the order of the calls', async () => {
    const log = await make().open(directory);
    await Promise.all(Array.from({ length: 100 }, async (_, index) => { await log.append('stdout', BigInt(index * 3), Buffer.from(`${String(index).padStart(2, '0')}\n`), 1_000); }));
    expect(textOf(await collect(log))).toBe(Array.from({ length: 100 }, (_, index) => `${String(index).padStart(2, '0')}\n`).join(''));
    await log.close();
  });
});
