import { describe, expect, it } from 'vitest';
import { barText, layerText } from '../../../src/cli/format/layer-bars.ts';

const layer = `sha256:${'4f'.repeat(32)}`;

describe('the bar of a layer', () => {
  it('is as long as its share', () => {
    expect(barText({ layer, step: 'fetching', doneBytes: 512n, totalBytes: 1024n })).toBe('4f4f4f4f4f4f fetching   [############------------]  50 % 1 KiB');
  });

  it('that is done, there or waited for is a word', () => {
    for (const step of ['done', 'exists', 'waiting']) expect(barText({ layer, step, doneBytes: 5n, totalBytes: 5n })).toBe(`4f4f4f4f4f4f ${step}`);
  });

  it('of a root file system has neither a digest nor an end before it is over: it says how much has been unpacked', () => {
    expect(barText({ layer: '', step: 'unpacking', doneBytes: 3n * 1024n * 1024n, totalBytes: 0n })).toBe('unpacking 3 MiB');
    expect(barText({ layer: '', step: 'resolving', doneBytes: 0n, totalBytes: 0n })).toBe('resolving');
    expect(layerText({ layer: '', step: 'unpacking', doneBytes: 3n, totalBytes: 0n })).toBe('unpacking');
  });
});
