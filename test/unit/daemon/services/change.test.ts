import { describe, expect, it } from 'vitest';
import { DomainError } from '../../../../src/core/model/errors.ts';
import { announcements } from '../../../../src/daemon/services/announce.ts';
import { apply, type Change } from '../../../../src/daemon/services/change.ts';
import { CONTAINER_ID, containerRecord, sandboxRecord } from '../../../fakes/records.ts';

function refusal(work: () => unknown): DomainError {
  try {
    work();
  } catch (error) {
    if (error instanceof DomainError) return error;
  }
  throw new Error('nothing was refused');
}

describe('apply', () => {
  it('keeps the first cause', () => {
    const record = sandboxRecord({ state: 'stopping', cause: 'GUEST_PANIC', causeDetail: 'oops' });
    const outcome = apply(record, { target: 'sandbox', kind: 'cleaned', patch: { cause: 'OPERATOR_STOP', causeDetail: '' } });
    expect(outcome).toMatchObject({ kind: 'changed', record: { state: 'stopped', cause: 'GUEST_PANIC', causeDetail: 'oops' } });
  });

  it('tells beside it what is in the way of the end, as it is now', () => {
    const stuck = (record: Parameters<typeof sandboxRecord>[0], detail: string): ReturnType<typeof apply> => apply(sandboxRecord(record), { target: 'sandbox', kind: 'clean-stuck', patch: { causeDetail: detail } });
    expect(stuck({ state: 'stopping', cause: 'OPERATOR_STOP', causeDetail: 'stopped' }, 'not cleaned up: pid 7 lives')).toMatchObject({ record: { state: 'failed', cause: 'OPERATOR_STOP', causeDetail: 'stopped; not cleaned up: pid 7 lives' } });
    const again = apply(sandboxRecord({ state: 'deleting', cause: 'OPERATOR_STOP', causeDetail: 'stopped; not cleaned up: pid 7 lives' }), { target: 'sandbox', kind: 'delete-stuck', patch: { causeDetail: 'not deleted: a mount is busy' } });
    expect(again).toMatchObject({ record: { state: 'failed', causeDetail: 'stopped; not deleted: a mount is busy' } });
  });

  it.each(['vm-ended', 'share-ended'] as const)('takes the cause of %s once the boot is over, and leaves a boot that fails its own', (kind) => {
    const change: Change = { target: 'sandbox', kind, patch: { cause: 'VMM_CRASH', causeDetail: 'signal 9', consoleTail: 'x' } };
    expect(apply(sandboxRecord({ state: 'ready' }), change)).toMatchObject({ record: { state: 'stopping', cause: 'VMM_CRASH', causeDetail: 'signal 9' } });
    expect(apply(sandboxRecord({ state: 'creating' }), change)).toMatchObject({ record: { state: 'creating', cause: undefined, causeDetail: '', consoleTail: '' } });
  });

  it('ends the conditions of a VM with it, and begins none of them later', () => {
    const told = (state: 'running' | 'stopped', name: string): Change & { target: 'condition' } => ({ target: 'condition', name, message: state, atMs: 7 });
    const conditions = ['monitor_unreachable', 'checkpoint_failed'].map((name) => ({ name, message: 'x', sinceMs: 1 }));
    const stopped = apply(sandboxRecord({ state: 'stopping', conditions }), { target: 'sandbox', kind: 'cleaned' });
    expect(stopped).toMatchObject({ record: { state: 'stopped', conditions: [{ name: 'checkpoint_failed' }] } });
    expect(apply(sandboxRecord({ state: 'stopped' }), told('stopped', 'agent_unreachable'))).toEqual({ kind: 'ignored' });
    expect(apply(sandboxRecord({ state: 'running' }), told('running', 'agent_unreachable'))).toMatchObject({ record: { conditions: [{ name: 'agent_unreachable', message: 'running', sinceMs: 7 }] } });
  });

  it('is the operator\'s stop from the moment of the request, unless it had a cause', () => {
    expect(apply(sandboxRecord({ state: 'running' }), { target: 'sandbox', kind: 'stop-requested' })).toMatchObject({ record: { state: 'stopping', cause: 'OPERATOR_STOP', causeDetail: 'stopped' } });
    expect(apply(sandboxRecord({ state: 'paused' }), { target: 'sandbox', kind: 'force-delete-requested' })).toMatchObject({ record: { state: 'deleting', cause: 'OPERATOR_STOP', causeDetail: 'deleted' } });
    expect(apply(sandboxRecord({ state: 'stopped', cause: 'VMM_CRASH' }), { target: 'sandbox', kind: 'delete-requested' })).toMatchObject({ record: { cause: 'VMM_CRASH' } });
    expect(apply(sandboxRecord({ state: 'creating' }), { target: 'sandbox', kind: 'stop-requested' })).toMatchObject({ record: { state: 'creating', cause: undefined } });
  });

  it('forgets the cause of the last life when it boots again', () => {
    const record = sandboxRecord({ state: 'stopped', cause: 'OPERATOR_STOP', causeDetail: 'x' });
    const outcome = apply(record, { target: 'sandbox', kind: 'boot-requested', patch: { cause: undefined, causeDetail: '' } });
    expect(outcome).toMatchObject({ record: { state: 'creating', cause: undefined } });
  });

  it('makes a ready sandbox a running one when its container starts', () => {
    const record = sandboxRecord({ containers: [containerRecord()] });
    const outcome = apply(record, { target: 'container', id: CONTAINER_ID, kind: 'started' });
    expect(outcome).toMatchObject({ record: { state: 'running', containers: [{ state: 'running' }] } });
  });

  it('counts every change in the epoch and none that is ignored', () => {
    const record = sandboxRecord({ state: 'stopped', epoch: 7 });
    expect(apply(record, { target: 'facts', what: 'labels', patch: {} })).toMatchObject({ record: { epoch: 8 } });
    expect(apply(record, { target: 'sandbox', kind: 'stop-requested' })).toEqual({ kind: 'ignored' });
  });

  it('refuses with the state, the id and what to do', () => {
    const error = refusal(() => apply(sandboxRecord({ state: 'running' }), { target: 'sandbox', kind: 'delete-requested' }));
    expect(error).toMatchObject({ reason: 'WRONG_STATE', message: 'cannot delete: sandbox sb is running', details: { remedy: 'stop it first, or use force', facts: { state: 'running' } } });
  });

  it('tells nobody to stop what is to be resumed and runs', () => {
    const record = sandboxRecord({ state: 'running', containers: [containerRecord({ state: 'running' })] });
    const remedy = 'it is not paused: there is nothing to resume';
    expect(refusal(() => apply(record, { target: 'sandbox', kind: 'resume-requested' }))).toMatchObject({ message: 'cannot resume: sandbox sb is running', details: { remedy } });
    expect(refusal(() => apply(record, { target: 'container', id: CONTAINER_ID, kind: 'resume-requested' }))).toMatchObject({ reason: 'WRONG_STATE', details: { remedy } });
  });

  it('says RECOVERING while the daemon does not know', () => {
    expect(refusal(() => apply(sandboxRecord({ state: 'recovering' }), { target: 'sandbox', kind: 'stop-requested' })).reason).toBe('RECOVERING');
  });

  it('takes a new container only where a VM runs', () => {
    const change: Change = { target: 'new-container', container: containerRecord() };
    expect(apply(sandboxRecord(), change)).toMatchObject({ record: { containers: [{ id: CONTAINER_ID }] } });
    expect(refusal(() => apply(sandboxRecord({ state: 'stopped' }), change)).reason).toBe('WRONG_STATE');
  });

  it('drops a deleted container from the record', () => {
    const record = sandboxRecord({ containers: [containerRecord({ state: 'deleting' })] });
    expect(apply(record, { target: 'container', id: CONTAINER_ID, kind: 'deleted' })).toMatchObject({ record: { containers: [] }, container: { gone: true } });
  });

  it('refuses a change of a container that it does not have', () => {
    expect(refusal(() => apply(sandboxRecord(), { target: 'container', id: 'x', kind: 'started' })).reason).toBe('CONTAINER_NOT_FOUND');
  });
});

describe('announcements', () => {
  it('tells an exit with its code and cause', () => {
    const before = sandboxRecord({ state: 'running', containers: [containerRecord({ state: 'running' })] });
    const exit = { code: 7, signal: 0, oomKilled: false, atMs: 5, cause: 'CONTAINER_EXIT', detail: '' } as const;
    const change: Change = { target: 'container', id: CONTAINER_ID, kind: 'exited', patch: { exit } };
    expect(announcements(before, change, apply(before, change), 9)).toMatchObject([{ type: 'CONTAINER_EXITED', exitCode: 7, cause: 'CONTAINER_EXIT', containerId: CONTAINER_ID, atMs: 9 }]);
  });

  it('says resumed, not running, after a pause', () => {
    const before = sandboxRecord({ state: 'paused' });
    const change: Change = { target: 'sandbox', kind: 'resumed-running' };
    expect(announcements(before, change, apply(before, change), 0).map(({ type }) => type)).toEqual(['SANDBOX_RESUMED']);
  });

  it('tells of the sandbox as well when a container\'s start makes it run', () => {
    const before = sandboxRecord({ state: 'ready', containers: [containerRecord({ state: 'created' })] });
    const change: Change = { target: 'container', id: CONTAINER_ID, kind: 'started' };
    expect(announcements(before, change, apply(before, change), 0)).toMatchObject([
      { type: 'CONTAINER_STARTED', containerId: CONTAINER_ID },
      { type: 'SANDBOX_RUNNING', containerId: '', name: 'sb' },
    ]);
  });

  it('is silent when no state changed', () => {
    const before = sandboxRecord({ state: 'ready' });
    const change: Change = { target: 'sandbox', kind: 'pause-requested' };
    expect(announcements(before, change, apply(before, change), 0)).toEqual([]);
  });
});
