import { describe, expect, it } from 'vitest';
import { PhaseTimer } from '../../../../src/daemon/services/phase-timer.ts';
import { ManualClock } from '../../../fakes/manual-clock.ts';

describe('a timer of phases', () => {
  it('lists parts in the order in which they began, and the whole', async () => {
    const clock = new ManualClock();
    const timer = new PhaseTimer(clock);
    await timer.time('first', async () => clock.advance(20));
    timer.add('inside', clock.monotonicMs() - 15, clock.monotonicMs() - 5);
    expect(timer.finish()).toEqual([
      { name: 'first', offsetMs: 0, durationMs: 20 },
      { name: 'inside', offsetMs: 5, durationMs: 10 },
      { name: 'total', offsetMs: 0, durationMs: 20 },
    ]);
  });

  it('lists a part that failed', async () => {
    const timer = new PhaseTimer(new ManualClock());
    await expect(timer.time('broken', async () => { throw new Error('no'); })).rejects.toThrow('no');
    expect(timer.finish().map(({ name }) => name)).toEqual(['broken', 'total']);
  });

  it('counts each part under its operation, in seconds', async () => {
    const clock = new ManualClock();
    const timer = new PhaseTimer(clock);
    await timer.time('vmm', async () => clock.advance(250));
    const counted: unknown[] = [];
    timer.finishAs('stop', { phase: (...what) => { counted.push(what); } });
    expect(counted).toEqual([['stop', 'vmm', 0.25], ['stop', 'total', 0.25]]);
  });
});
