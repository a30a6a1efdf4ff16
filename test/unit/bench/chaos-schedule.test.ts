import { describe, expect, it } from 'vitest';
import { killsOf, operationsOf } from '../../../bench/chaos/schedule.ts';
import type { Operation } from '../../../bench/chaos/schedule.ts';

function first<T>(items: Iterator<T>, count: number): readonly T[] {
  return Array.from({ length: count }, () => items.next().value as T);
}

describe('the schedule of the chaos run', () => {
  it('is the same for the same seed', () => {
    expect(first(operationsOf('a', 3), 500)).toEqual(first(operationsOf('a', 3), 500));
    expect(first(killsOf('a', 1000), 500)).toEqual(first(killsOf('a', 1000), 500));
  });

  it('is another for another seed and for another lane', () => {
    expect(first(operationsOf('a', 0), 50)).not.toEqual(first(operationsOf('b', 0), 50));
    expect(first(operationsOf('a', 0), 50)).not.toEqual(first(operationsOf('a', 1), 50));
    expect(first(killsOf('a', 1000), 50)).not.toEqual(first(killsOf('b', 1000), 50));
  });

  it('does every operation and kills everything that can be killed', () => {
    expect(new Set(first(operationsOf('a', 0), 1000))).toEqual(new Set<Operation>(['create', 'create-shared', 'container', 'exec', 'pause', 'resume', 'stop', 'start', 'delete']));
    expect(new Set(first(killsOf('a', 1000), 500).map(({ victim }) => victim))).toEqual(new Set(['daemon', 'launcher', 'scribe', 'vmm', 'virtiofsd']));
  });

  it('asks for nothing that the operations before forbid', () => {
    const text = ['delete', ...first(operationsOf('a', 0), 2000)].join(' ');
    expect(text).not.toMatch(/delete (?!create)|(?<!delete) create|stop (?!start|delete)|pause (?!resume|delete)|(?<!pause) resume|start exec|create exec/);
  });

  it('kills as often as asked, on average', () => {
    const pauses = first(killsOf('a', 1000), 2000).map(({ afterMs }) => afterMs);
    expect(pauses.reduce((sum, each) => sum + each, 0) / pauses.length).toBeCloseTo(1000, -2);
  });
});
