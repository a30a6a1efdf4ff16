import { describe, expect, it } from 'vitest';
import { SANDBOX_TABLE, type MachineState, type SandboxEventKind } from '../../../src/core/machine/sandbox-machine.ts';
import { step } from '../../../src/core/machine/table.ts';

const STATES = Object.keys(SANDBOX_TABLE) as MachineState[];
const EVENTS = Object.keys(SANDBOX_TABLE.ready) as SandboxEventKind[];

function after(state: MachineState, ...events: SandboxEventKind[]): string {
  let current: MachineState = state;
  for (const event of events) {
    const next = step(SANDBOX_TABLE, current, event);
    if (next.kind === 'refused') return `refused in ${current}`;
    if (next.kind === 'moved') current = next.to;
  }
  return current;
}

describe('the sandbox table', () => {
  it('decides every pair of state and event', () => {
    const undecided = STATES.flatMap((state) => EVENTS.filter((event) => !Object.hasOwn(SANDBOX_TABLE[state], event)).map((event) => `${state} + ${event}`));
    expect(undecided).toEqual([]);
  });

  it('goes from create to delete and leaves nothing', () => {
    expect(after('creating', 'create-succeeded', 'stop-requested', 'cleaned', 'delete-requested', 'deleted')).toBe('gone');
  });

  it('leaves no record of a create that failed clean, and one of a create that could not be undone', () => {
    expect(after('creating', 'create-failed')).toBe('gone');
    expect(after('creating', 'create-stuck')).toBe('failed');
  });

  it('boots a stopped sandbox again and falls back to stopped when that fails', () => {
    expect(after('stopped', 'boot-requested')).toBe('creating');
    expect(after('stopped', 'boot-requested', 'boot-failed')).toBe('stopped');
  });

  it('hears the death of a VM during boot without leaving creating: the run decides what follows', () => {
    expect(step(SANDBOX_TABLE, 'creating', 'vm-ended')).toEqual({ kind: 'moved', to: 'creating', effects: ['abort-run'] });
  });

  it.each(['ready', 'running', 'paused'] as const)('cleans up when the VM of a %s sandbox ends', (state) => {
    expect(step(SANDBOX_TABLE, state, 'vm-ended')).toEqual({ kind: 'moved', to: 'stopping', effects: ['run-clean'] });
  });

  it.each(['ready', 'running', 'paused'] as const)('refuses to delete a %s sandbox without force', (state) => {
    expect(after(state, 'delete-requested')).toBe(`refused in ${state}`);
    expect(after(state, 'force-delete-requested')).toBe('deleting');
  });

  it.each(['stopping', 'stopped', 'failed', 'deleting', 'gone'] as const)('takes a stop of a %s sandbox as done', (state) => {
    expect(step(SANDBOX_TABLE, state, 'stop-requested').kind).toBe('ignored');
  });

  it('never moves out of gone', () => {
    const moving = EVENTS.filter((event) => step(SANDBOX_TABLE, 'gone', event).kind === 'moved');
    expect(moving).toEqual([]);
  });

  it('lets a delete win over a late success of the create', () => {
    expect(after('creating', 'force-delete-requested', 'create-succeeded')).toBe('deleting');
  });
});
