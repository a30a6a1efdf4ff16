import { deadline } from '../../base/abort.ts';
import { DomainError } from '../../core/model/errors.ts';
import type { GuestAgent } from '../../core/ports/agent.ts';
import type { WaitOptions } from '../../core/ports/host.ts';
import type { ContainerUnit } from './container-unit.ts';

/** A sandbox that does not answer stays recovering for longer than anybody waits. */
const RECOVERED_MS = 10_000;

/** The agent of a container's guest. WRONG_STATE while the guest is paused or gone, AGENT_UNREACHABLE when it does not come back. */
export async function reachableAgent(unit: ContainerUnit, options: WaitOptions): Promise<GuestAgent> {
  await recovered(unit, options);
  const { agent, record } = unit.sandbox;
  if (agent === undefined || record.state === 'paused') throw atRest(unit, '');
  return await agent.get(options);
}

/** A daemon that has just come back is asked before it knows: it answers in a moment instead of refusing. RECOVERING when that moment is long. */
export async function recovered(unit: ContainerUnit, options: WaitOptions): Promise<void> {
  const { actor, deps, record } = unit.sandbox;
  if (record.state !== 'recovering') return;
  using limit = deadline({ ms: RECOVERED_MS, timer: (ms, callback) => deps.clock.timer(ms, callback), reason: () => stillRecovering(unit), signals: [options.signal] });
  await actor.until((current) => current.state !== 'recovering', { signal: limit.signal });
}

/** WRONG_STATE while the whole VM is paused: deadlines rest then, so a call to the guest would wait until somebody resumes it. */
export function mustNotRest(unit: ContainerUnit, what: string): void {
  if (unit.sandbox.record.state === 'paused') throw atRest(unit, `cannot ${what}: `);
}

/** WRONG_STATE unless its first process runs or is frozen. */
export function mustRun(unit: ContainerUnit, what: string): void {
  const { state } = unit.record;
  if (state === 'running' || state === 'paused') return;
  throw new DomainError('WRONG_STATE', `cannot ${what}: container ${unit.record.name} is ${state}`, { sandboxId: unit.sandbox.id, containerId: unit.id, remedy: 'start it first' });
}

function stillRecovering(unit: ContainerUnit): DomainError {
  const { record, id } = unit.sandbox;
  return new DomainError('RECOVERING', `sandbox ${record.name} has not been found again yet`, { sandboxId: id, containerId: unit.id, remedy: 'see its conditions; try again in a moment' });
}

function atRest(unit: ContainerUnit, beginning: string): DomainError {
  const { record, id } = unit.sandbox;
  const remedy = record.state === 'paused' ? 'resume the sandbox first, or delete the whole sandbox' : 'start the sandbox first';
  return new DomainError('WRONG_STATE', `${beginning}sandbox ${record.name} is ${record.state}`, { sandboxId: id, containerId: unit.id, remedy });
}
