import type { RunOptions } from './change.ts';
import { PhaseTimer } from './phase-timer.ts';
import { PlanRun } from './plan-run.ts';
import { firstReason, type SandboxUnit } from './sandbox-unit.ts';
import { DomainError } from '../../core/model/errors.ts';
import type { VmSession } from '../../core/ports/hypervisor.ts';

/** Stops the VM's clock, once no call to its guest is under way. */
export async function pauseRun(unit: SandboxUnit, options: RunOptions, signal: AbortSignal): Promise<void> {
  const run = new PlanRun(unit, 'pause', options.timer ?? new PhaseTimer(unit.deps.clock));
  const session = running(unit);
  try {
    using _shut = await run.step('calls', () => unit.gate.shut(signal), { signal });
    unit.agent?.rest(true);
    await run.step('vmm', () => session.pause({ signal }), { signal });
    await unit.actor.commit({ target: 'sandbox', kind: 'paused' });
  } catch (error) {
    // Half paused is not a state: it runs, or it is paused and says so.
    unit.agent?.rest(false);
    await session.resume().catch((problem: unknown) => { unit.log.warn({ error: problem }, 'not resumed after a failed pause'); });
    throw firstReason(error, signal);
  }
}

/** Lets the clock go on and sets the guest's time right before anybody is told. */
export async function resumeRun(unit: SandboxUnit, options: RunOptions, signal: AbortSignal): Promise<void> {
  const run = new PlanRun(unit, 'resume', options.timer ?? new PhaseTimer(unit.deps.clock));
  const session = running(unit);
  await run.step('vmm', () => session.resume({ signal }), { signal });
  unit.agent?.rest(false);
  if (unit.agent !== undefined) {
    const handle = unit.agent;
    await run.step('clock', async () => {
      const agent = await handle.get({ signal });
      await agent.setTime(unit.deps.clock.wallMs(), { signal });
    }, { signal });
  }
  const anyRunning = unit.record.containers.some((container) => container.state === 'running' || container.state === 'paused');
  await unit.actor.commit({ target: 'sandbox', kind: anyRunning ? 'resumed-running' : 'resumed-ready' });
}

function running(unit: SandboxUnit): VmSession {
  if (unit.session === undefined) throw new DomainError('VMM_EXITED', 'the VM has ended', { sandboxId: unit.id, remedy: 'start the sandbox again' });
  return unit.session;
}
