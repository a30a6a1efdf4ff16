import { describe, expect, it } from 'vitest';
import { Admission, type AdmissionLimits } from '../../../../src/daemon/services/admission.ts';
import { ManualClock } from '../../../fakes/manual-clock.ts';

const LIMITS: AdmissionLimits = { memoryBytes: 1000, maxSandboxes: 10, bootConcurrency: 2, queueLength: 3, queueTimeoutMs: 500 };

function admission(change: Partial<AdmissionLimits> = {}): { admission: Admission; clock: ManualClock } {
  const clock = new ManualClock();
  return { admission: new Admission({ ...LIMITS, ...change }, clock), clock };
}

describe('Admission', () => {
  it('refuses what can never fit, with the numbers', async () => {
    const { admission: gate } = admission();
    await expect(gate.enter('a', 1001, {})).rejects.toMatchObject({ reason: 'CAPACITY_EXHAUSTED', details: { facts: { requested_bytes: '1001', limit_bytes: '1000' } } });
  });

  it('holds memory until it is released, not until the boot is over', async () => {
    const { admission: gate } = admission();
    const boot = await gate.enter('a', 600, {});
    boot[Symbol.dispose]();
    expect(gate.usedBytes).toBe(600);
    gate.release('a');
    expect(gate.usedBytes).toBe(0);
  });

  it('lets those who wait in, first come first served, as room comes free', async () => {
    const { admission: gate } = admission();
    (await gate.enter('a', 900, {}))[Symbol.dispose]();
    const order: string[] = [];
    const big = gate.enter('b', 800, {}).then(() => order.push('b'));
    const small = gate.enter('c', 300, {}).then(() => order.push('c'));
    gate.release('a');
    await big;
    expect(order).toEqual(['b']);
    gate.release('b');
    await small;
    expect(order).toEqual(['b', 'c']);
  });

  it('refuses the one that finds the queue full', async () => {
    const { admission: gate } = admission({ queueLength: 1 });
    await gate.enter('a', 1000, {});
    const waiting = gate.enter('b', 10, {});
    await expect(gate.enter('c', 10, {})).rejects.toMatchObject({ reason: 'CAPACITY_EXHAUSTED', details: { facts: { waiting: '1' } } });
    gate.release('a');
    await waiting;
  });

  it('gives up after the time that is allowed, and holds nothing then', async () => {
    const { admission: gate, clock } = admission();
    await gate.enter('a', 1000, {});
    const waiting = gate.enter('b', 10, {});
    const refused = expect(waiting).rejects.toMatchObject({ reason: 'CAPACITY_EXHAUSTED' });
    await clock.advance(500);
    await refused;
    expect(gate.usedBytes).toBe(1000);
  });

  it('takes a caller who leaves out of the queue', async () => {
    const { admission: gate } = admission();
    await gate.enter('a', 1000, {});
    const caller = new AbortController();
    const leaving = expect(gate.enter('b', 10, { signal: caller.signal })).rejects.toThrow('gone');
    const staying = gate.enter('c', 10, {});
    caller.abort(new Error('gone'));
    await leaving;
    gate.release('a');
    await staying;
    expect(gate.usedBytes).toBe(10);
  });

  it('boots no more at once than allowed', async () => {
    const { admission: gate } = admission({ bootConcurrency: 1 });
    const first = await gate.enter('a', 1, {});
    let second = false;
    const waiting = gate.enter('b', 1, {}).then(() => { second = true; });
    await Promise.resolve();
    expect(second).toBe(false);
    first[Symbol.dispose]();
    await waiting;
    expect(second).toBe(true);
  });
});
