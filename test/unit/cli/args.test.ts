import { expect, test } from 'vitest';
import { commandAfter, splitEntrypoint } from '../../../src/cli/args/command-line.ts';
import { durationFromMs, durationMs, parseDurationMs } from '../../../src/cli/args/duration.ts';
import { enumValues, parseFilters } from '../../../src/cli/args/filters.ts';
import { parseEnv, parseKeyValues } from '../../../src/cli/args/key-values.ts';
import { parseMoment } from '../../../src/cli/args/moment.ts';
import { parseSize } from '../../../src/cli/args/size.ts';
import { parseUlimit } from '../../../src/cli/args/ulimit.ts';
import { UsageError } from '../../../src/cli/cli-error.ts';
import { ContainerState } from '../../../src/gen/vivarium/v1/container.ts';

test.each([['10', 10_000], ['1.5', 1500], ['250ms', 250], ['10s', 10_000], ['1h30m', 5_400_000], ['2d', 172_800_000], ['0', 0]])('duration %s is %d ms', (text, ms) => {
  expect(parseDurationMs(text, '--time')).toBe(ms);
});

test.each(['', 'soon', '10x', '-5s', '1h 30m', '5s5'])('"%s" is no duration', (text) => {
  expect(() => parseDurationMs(text, '--time')).toThrow(UsageError);
});

test('a duration message keeps its milliseconds both ways', () => {
  expect(durationFromMs(1500)).toEqual({ seconds: 1n, nanos: 500_000_000 });
  expect(durationMs({ seconds: 2n, nanos: 250_000 })).toBe(2000.25);
  expect(durationMs(undefined)).toBe(0);
});

test.each([['1024', 1024n], ['512m', 512n << 20n], ['1g', 1n << 30n], ['1.5GiB', 3n << 29n], ['64MB', 64n << 20n], ['10k', 10240n], ['7b', 7n], ['2T', 2n << 40n]])('size %s is %d bytes', (text, bytes) => {
  expect(parseSize(text, '--memory')).toBe(bytes);
});

test.each(['', 'lots', '1.g', '-1', '1gb2', '1p'])('"%s" is no size', (text) => {
  expect(() => parseSize(text, '--memory')).toThrow(UsageError);
});

test('a later KEY=VALUE wins, and a value may hold more =', () => {
  expect(parseKeyValues(['a=1', 'b=x=y', 'a=2', 'c='], '--label')).toEqual({ a: '2', b: 'x=y', c: '' });
  expect(parseKeyValues(['bare'], '--label', { bare: true })).toEqual({ bare: '' });
  expect(() => parseKeyValues(['bare'], '--set')).toThrow('--set: "bare" is not KEY=VALUE');
  expect(() => parseKeyValues(['=1'], '--set')).toThrow(UsageError);
});

test('-e KEY takes our own value, and nothing when we have none', () => {
  expect(parseEnv(['A=1', 'HOME', 'NONE', 'E='], { HOME: '/root' })).toEqual(['A=1', 'HOME=/root', 'E=']);
  expect(() => parseEnv(['=x'], {})).toThrow(UsageError);
});

test('a ulimit has one or two limits', () => {
  expect(parseUlimit('nofile=1024:2048')).toEqual({ type: 'nofile', soft: 1024n, hard: 2048n });
  expect(parseUlimit('nproc=10')).toEqual({ type: 'nproc', soft: 10n, hard: 10n });
  expect(parseUlimit('core=unlimited')).toEqual({ type: 'core', soft: (1n << 64n) - 1n, hard: (1n << 64n) - 1n });
  expect(() => parseUlimit('nofile')).toThrow(UsageError);
});

test('a moment is a time, seconds since 1970, or how long ago', () => {
  const now = new Date('2026-01-31T12:00:00Z');
  expect(parseMoment('10m', '--since', now)).toEqual(new Date('2026-01-31T11:50:00Z'));
  expect(parseMoment('2026-01-30T00:00:00Z', '--since', now)).toEqual(new Date('2026-01-30T00:00:00Z'));
  expect(parseMoment('1700000000', '--since', now)).toEqual(new Date(1_700_000_000_000));
  expect(() => parseMoment('2026-99-99', '--since', now)).toThrow(UsageError);
});

test('one -- before the command only separates', () => {
  expect(commandAfter(['--', 'sh', '-c', 'x', '--'])).toEqual(['sh', '-c', 'x', '--']);
  expect(commandAfter(['sh', '--', 'x'])).toEqual(['sh', '--', 'x']);
  expect(commandAfter([])).toEqual([]);
  expect(splitEntrypoint('/bin/sh  -c')).toEqual(['/bin/sh', '-c']);
  expect(splitEntrypoint(undefined)).toEqual([]);
});

test('filters are known by name, states by the words that are shown', () => {
  expect(parseFilters(['label=a=1', 'label=b', 'state=exited'].filter((text) => text !== 'label=b'), ['label', 'state', 'id'])).toEqual({ label: ['a=1'], state: ['exited'], id: [] });
  expect(() => parseFilters(['colour=red'], ['label'])).toThrow('--filter: there is no filter "colour"');
  expect(enumValues<ContainerState>(['exited', 'Running'], ContainerState, 'CONTAINER_STATE_', '--filter state')).toEqual([6, 3]);
  expect(() => enumValues<ContainerState>(['dead'], ContainerState, 'CONTAINER_STATE_', '--filter state')).toThrow('there is no "dead"');
});
