import { describe, expect, it } from 'vitest';
import { createProgress } from '../../../guest/builder/progress.ts';
import type { ProgressMode } from '../../../guest/builder/progress.ts';

const told = (mode: ProgressMode, isTerminal: boolean): string => {
  let text = '';
  const progress = createProgress(mode, { write: (part) => { text += part; }, isTerminal, columns: 60 });
  progress.step('download', 'linux');
  progress.advance(50, 200);
  progress.step('modules');
  progress.close();
  return text;
};

describe('createProgress', () => {
  it('writes one JSON object a line', () => {
    expect(told('json', true).trim().split('\n').map((line): unknown => JSON.parse(line))).toEqual([
      { step: 'download', detail: 'linux' },
      { step: 'download', detail: 'linux', done: 50, total: 200 },
      { step: 'modules' },
    ]);
  });

  it('writes one line a step where nobody watches', () => {
    expect(told('auto', false)).toBe('  download: linux\n  modules\n');
  });

  it('draws a bar on a terminal and ends each on a line of its own', () => {
    const text = told('auto', true);
    expect(text).toContain('  download: linux [######..................] 25 %');
    expect(text.endsWith('  modules\n')).toBe(true);
  });

  it('keeps quiet when asked', () => {
    expect(told('none', true)).toBe('');
  });
});
