import { beforeEach, describe, expect, it } from 'vitest';

import { HealthWatch } from '../../../src/agents/health-watch.ts';
import { ManualClock, settle } from '../../fakes/manual-clock.ts';

let clock: ManualClock;
let checks: number;
let failure: Error | undefined;
let told: boolean[];
let hang: boolean;
let watch: HealthWatch;

beforeEach(() => {
  clock = new ManualClock();
  checks = 0;
  failure = undefined;
  hang = false;
  told = [];
  const check = async (options: { signal?: AbortSignal | undefined } = {}): Promise<void> => {
    checks += 1;
    if (failure !== undefined) throw failure;
    if (hang) await new Promise((_, reject) => { options.signal?.addEventListener('abort', () => { reject(new Error('aborted')); }); });
  };
  watch = new HealthWatch({ check }, { clock, intervalMs: 1000, onChange: (health) => told.push(health.healthy) });
});

describe('health watch', () => {
  it('checks regularly and says nothing while all is well', async () => {
    watch.start();
    await clock.advance(3000);
    expect(checks).toBe(3);
    expect(told).toEqual([]);
  });

  it('tells of each change once', async () => {
    watch.start();
    failure = new Error('no');
    await clock.advance(3000);
    failure = undefined;
    await clock.advance(2000);
    expect(told).toEqual([false, true]);
  });

  it('rests, and drops the check that was under way', async () => {
    watch.start();
    hang = true;
    await clock.advance(1000);
    watch.rest();
    await clock.advance(60_000);
    expect([checks, told, clock.pending]).toEqual([1, [], 0]);
    hang = false;
    watch.start();
    await clock.advance(1000);
    expect(checks).toBe(2);
  });

  it('stops for good', async () => {
    watch.start();
    watch.stop();
    watch.start();
    await clock.advance(5000);
    await settle();
    expect([checks, clock.pending]).toEqual([0, 0]);
  });
});
