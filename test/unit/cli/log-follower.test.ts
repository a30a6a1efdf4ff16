import { describe, expect, it } from 'vitest';
import { LogEntry, OutputStream } from '../../../src/gen/vivarium/v1/container.ts';
import { LogFollower } from '../../../src/cli/stream/log-follower.ts';

const entry = (stream: 'OUT' | 'ERR', offset: bigint, text: string, atMs: number): LogEntry =>
  LogEntry.fromPartial({ stream: stream === 'OUT' ? OutputStream.OUTPUT_STREAM_STDOUT : OutputStream.OUTPUT_STREAM_STDERR, offset, data: Buffer.from(text), at: new Date(atMs) });
const shown = (follower: LogFollower, found: LogEntry): string => Buffer.from(follower.take(found).fresh).toString();

describe('a log that is followed', () => {
  it('is asked for as at first until something came, then from where it stands', () => {
    const follower = new LogFollower({ containerId: 'c', follow: true, tail: 2 });
    expect(follower.request()).toEqual({ containerId: 'c', follow: true, tail: 2 });
    expect(shown(follower, entry('OUT', 10n, 'abc\n', 1))).toBe('abc\n');
    expect(follower.request()).toEqual({ containerId: 'c', follow: true, offsets: { stdout: 14n, stderr: 0n } });
  });

  it('shows the rest of an entry that was cut, and none twice', () => {
    const follower = new LogFollower({ containerId: 'c', follow: true });
    follower.take(entry('OUT', 0n, 'abc', 1));
    follower.request();
    expect(shown(follower, entry('OUT', 0n, 'abcdef\n', 1))).toBe('def\n');
    expect(shown(follower, entry('OUT', 3n, 'def\n', 1))).toBe('');
  });

  it('leaves out of a stream that was not seen what is older than what was', () => {
    const follower = new LogFollower({ containerId: 'c', follow: true, tail: 1 });
    follower.take(entry('OUT', 10n, 'new\n', 5));
    follower.request();
    expect(follower.lost('stderr', 0n, 4n)).toBe(0n);
    expect(shown(follower, entry('ERR', 4n, 'old\n', 4))).toBe('');
    expect(shown(follower, entry('ERR', 8n, 'since\n', 6))).toBe('since\n');
    expect(follower.request()).toMatchObject({ offsets: { stdout: 14n, stderr: 14n } });
  });

  it('tells what is lost once', () => {
    const follower = new LogFollower({ containerId: 'c', follow: true });
    expect(follower.lost('stdout', 0n, 10n)).toBe(10n);
    follower.request();
    expect(follower.lost('stdout', 5n, 12n)).toBe(2n);
  });
});
