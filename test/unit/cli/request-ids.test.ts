import { describe, expect, it } from 'vitest';
import { requestIds } from '../../../src/cli/requests/request-ids.ts';

describe('the ids of a command\'s requests', () => {
  it('are fresh ones when the user gave none', () => {
    const fresh = ['a', 'b'];
    const next = requestIds(undefined, () => fresh.shift() ?? '');
    expect([next(), next()]).toEqual(['a', 'b']);
  });

  it('are made of the one that the user gave, the same ones each time', () => {
    for (let time = 0; time < 2; time += 1) {
      const next = requestIds('deploy-7', () => 'fresh');
      expect([next(), next(), next()]).toEqual(['deploy-7', 'deploy-7-2', 'deploy-7-3']);
    }
  });

  it('can not be made of nothing', () => {
    expect(() => requestIds('', () => 'fresh')).toThrow('--request-id');
  });
});
