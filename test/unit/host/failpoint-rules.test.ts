import { describe, expect, it } from 'vitest';
import { FailpointRules, parseFailpointRules } from '../../../src/host/failpoint-rules.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';

function rules(text: string): { readonly points: FailpointRules; readonly clock: ManualClock; readonly reached: string[] } {
  const clock = new ManualClock();
  const reached: string[] = [];
  const points = new FailpointRules({ rules: parseFailpointRules(text), clock, onReached: (point, sandbox, armed) => { reached.push(`${sandbox} ${point} ${String(armed)}`); } });
  return { points, clock, reached };
}

describe('points of failure', () => {
  it('cost nothing where no rule is meant: no promise, but they are told of', () => {
    const { points, reached } = rules('[{"point":"create/vmm/before","sandbox":"a","action":"fail"}]');
    expect(points.reach('create/vmm/before', 'b')).toBeUndefined();
    expect(points.reach('create/vmm/after', 'a')).toBeUndefined();
    expect(reached).toEqual(['b create/vmm/before false', 'a create/vmm/after false']);
  });

  it('fail once, after those that are let pass', async () => {
    const { points } = rules('[{"point":"stop/vmm/after","sandbox":"a","action":"fail","skip":1}]');
    expect(points.reach('stop/vmm/after', 'a')).toBeUndefined();
    await expect(points.reach('stop/vmm/after', 'a')).rejects.toMatchObject({ reason: 'HOST_RESOURCE' });
    expect(points.reach('stop/vmm/after', 'a')).toBeUndefined();
  });

  it('only delay when that is all they are told', async () => {
    const { points, clock } = rules('[{"point":"stop/vmm/after","sandbox":"a","action":"delay","ms":50}]');
    const reached = points.reach('stop/vmm/after', 'a');
    await clock.advance(50);
    await expect(reached).resolves.toBeUndefined();
  });

  it('park until the signal of the step lets go', async () => {
    const { points } = rules('[{"point":"pause/calls/before","sandbox":"a","action":"park"}]');
    const controller = new AbortController();
    const parked = points.reach('pause/calls/before', 'a', { signal: controller.signal });
    controller.abort(new Error('the caller went away'));
    await expect(parked).rejects.toThrow('the caller went away');
  });

  it('hang for as long as they are told, then end as a deadline does', async () => {
    const { points, clock } = rules('[{"point":"delete/trash/before","sandbox":"a","action":"hang","ms":300}]');
    const hung = points.reach('delete/trash/before', 'a');
    const outcome = expect(hung).rejects.toMatchObject({ reason: 'DEADLINE' });
    await clock.advance(300);
    await outcome;
  });

  it.each([['{}', 'not an array'], ['[{"point":"x","sandbox":"a","action":"explode"}]', 'rule 0'], ['[{"sandbox":"a","action":"fail"}]', 'rule 0']])('refuse %s', (text, problem) => {
    expect(() => parseFailpointRules(text)).toThrow(problem);
  });
});
