import { describe, expect, it } from 'vitest';
import { parseMeminfo } from '../../../src/host/host-memory.ts';
import { parseSmapsRollup } from '../../../src/host/proc-usage.ts';
import { parseProcStat } from '../../../src/host/process-identity.ts';

const TAIL = 'S 1 1234 1234 0 -1 4194560 2443 0 1 0 17 5 0 0 20 0 4 0 98765 1101004800 33000 18446744073709551615 1 1 0';

describe('parseProcStat', () => {
  it('finds the fields behind a plain name', () => {
    expect(parseProcStat(`1234 (qemu-system-x86) ${TAIL}\n`)).toEqual({ pid: 1234, state: 'S', startTime: '98765', userTicks: 17, systemTicks: 5, rssPages: 33000 });
  });

  it.each(['a) S 1 (b', 'with space', '))((', ''])('is not misled by the name %j', (name) => {
    expect(parseProcStat(`7 (${name}) ${TAIL}`)?.startTime).toBe('98765');
  });

  it.each(['', 'nonsense', '12 (x) S 1 2', 'x (y) z'])('answers undefined to %j', (text) => {
    expect(parseProcStat(text)).toBeUndefined();
  });
});

it('parseMeminfo gives bytes, and refuses what lacks a figure', () => {
  expect(parseMeminfo('MemTotal:       24000 kB\nMemFree:  1 kB\nMemAvailable:   23000 kB\n')).toEqual({ totalBytes: 24_576_000, availableBytes: 23_552_000 });
  expect(() => parseMeminfo('MemTotal: 1 kB\n')).toThrow(/MemAvailable/);
});

it('parseSmapsRollup gives bytes, nought for a kernel thread', () => {
  expect(parseSmapsRollup('55-7f r-p 0 [rollup]\nRss:   100 kB\nPss:    50 kB\nPss_Dirty:  1 kB\n')).toEqual({ rssBytes: 102_400, pssBytes: 51_200 });
  expect(parseSmapsRollup('')).toEqual({ rssBytes: 0, pssBytes: 0 });
});
