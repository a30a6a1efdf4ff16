import { describe, expect, it } from 'vitest';
import { CONTAINER_TABLE, type ContainerEventKind, type ContainerMachineState } from '../../../src/core/machine/container-machine.ts';
import { step } from '../../../src/core/machine/table.ts';

const STATES = Object.keys(CONTAINER_TABLE) as ContainerMachineState[];
const EVENTS = Object.keys(CONTAINER_TABLE.running) as ContainerEventKind[];

function outcome(state: ContainerMachineState, event: ContainerEventKind): string {
  const next = step(CONTAINER_TABLE, state, event);
  return next.kind === 'moved' ? next.to : next.kind;
}

describe('the container table', () => {
  it('decides every pair of state and event', () => {
    const undecided = STATES.flatMap((state) => EVENTS.filter((event) => !Object.hasOwn(CONTAINER_TABLE[state], event)).map((event) => `${state} + ${event}`));
    expect(undecided).toEqual([]);
  });

  it.each([
    ['creating', 'created', 'created'],
    ['creating', 'create-failed', 'gone'],
    ['created', 'started', 'running'],
    ['created', 'start-failed', 'exited'],
    ['running', 'paused', 'paused'],
    ['paused', 'resumed', 'running'],
    ['running', 'exited', 'exited'],
    ['stopping', 'exited', 'exited'],
    ['stopping', 'stop-failed', 'running'],
    ['exited', 'stop-failed', 'ignored'],
    ['exited', 'started', 'running'],
    ['exited', 'delete-requested', 'deleting'],
    ['deleting', 'deleted', 'gone'],
  ] as const)('moves from %s by %s to %s', (state, event, expected) => {
    expect(outcome(state, event)).toBe(expected);
  });

  it.each(['created', 'paused', 'stopping', 'exited', 'deleting'] as const)('refuses an exec in a %s container', (state) => {
    expect(outcome(state, 'exec-requested')).toBe('refused');
  });

  it.each(['running', 'paused', 'stopping'] as const)('refuses to delete a %s container without force', (state) => {
    expect(outcome(state, 'delete-requested')).toBe('refused');
    expect(outcome(state, 'force-delete-requested')).toBe('deleting');
  });

  it('takes a stop of an exited container as done', () => {
    expect(outcome('exited', 'stop-requested')).toBe('ignored');
  });
});
