import { throwIfAborted } from '../../base/abort.ts';
import { toDomainError } from '../../core/model/errors.ts';
import type { ExitStatus } from '../../core/model/outcome.ts';
import type { ContainerRecord } from '../../core/model/record.ts';
import { endVm } from './boot-run.ts';
import type { RunOptions } from './change.ts';
import { hasEnded, stopInGuest } from './container-runs.ts';
import { releaseAll } from './device-runs.ts';
import { PhaseTimer } from './phase-timer.ts';
import { PlanRun } from './plan-run.ts';
import { removeCgroups } from './sandbox-cgroups.ts';
import type { SandboxUnit } from './sandbox-unit.ts';
import { sharePlace } from './share-place.ts';
import { signalNumber } from './signals.ts';

/** The plans that end with a VM gone share its last steps. */
type EndRun = PlanRun<'stop'> | PlanRun<'clean'> | PlanRun<'delete'>;

/** For the guest to sync its file systems; it holds nothing that a container wrote and was told was written. */
const GUEST_DOWN_MS = 1000;
const LOST_EXIT_CODE = 255;

/** Containers stopped with grace, guest told, VM ended, host cleaned: the way down that an operator asked for. */
export async function stopRun(unit: SandboxUnit, options: RunOptions, signal: AbortSignal): Promise<void> {
  const run = new PlanRun(unit, 'stop', options.timer ?? new PhaseTimer(unit.deps.clock));
  unit.hint('OPERATOR_STOP', options.force === true ? 'stopped with force' : 'stopped');
  if (options.force !== true && unit.agent?.current !== undefined) await gracefully(unit, run, options, signal);
  await finish(unit, run);
}

/** What a guest is asked before its VM ends. Its VM ends all the same when that fails: a stop that was begun is never left half way. */
async function gracefully(unit: SandboxUnit, run: PlanRun<'stop'>, options: RunOptions, signal: AbortSignal): Promise<void> {
  try {
    await run.step('containers', () => stopContainers(unit, options.graceMs ?? unit.deps.stopGraceMs, signal), { signal });
    await run.step('guest', () => guestDown(unit), { signal });
  } catch (error) {
    throwIfAborted(signal);
    unit.log.warn({ error }, 'not stopped with grace; its VM ends now');
  }
}

/** The VM has ended by itself (or its files are gone): what it leaves behind is cleaned up. The cause is in the record already. */
export async function cleanRun(unit: SandboxUnit, options: RunOptions): Promise<void> {
  await finish(unit, new PlanRun(unit, 'clean', options.timer ?? new PhaseTimer(unit.deps.clock)));
}

async function finish(unit: SandboxUnit, run: EndRun): Promise<void> {
  try {
    await takeDown(unit, run);
    await unit.actor.commit({ target: 'sandbox', kind: 'cleaned', patch: { finishedAtMs: unit.deps.clock.wallMs(), vm: undefined } });
    unit.deps.admission.release(unit.id);
  } catch (error) {
    const detail = `not cleaned up: ${toDomainError(error).message}`;
    await unit.actor.commit({ target: 'sandbox', kind: 'clean-stuck', patch: { causeDetail: detail, finishedAtMs: unit.deps.clock.wallMs() } });
    throw error;
  }
}

/** Everything gone, disks too. */
export async function deleteRun(unit: SandboxUnit, options: RunOptions): Promise<void> {
  const run = new PlanRun(unit, 'delete', options.timer ?? new PhaseTimer(unit.deps.clock));
  const { deps } = unit;
  unit.hint('OPERATOR_STOP', 'deleted');
  try {
    await takeDown(unit, run);
    await run.step('trash', async () => {
      await deps.trash.discard(`${deps.places.stateDir(unit.id)}/containers`, deps.places.trashDir);
      deps.trash.empty(deps.places.trashDir);
    });
    await unit.actor.commit({ target: 'sandbox', kind: 'deleted' });
    deps.admission.release(unit.id);
  } catch (error) {
    await unit.actor.commit({ target: 'sandbox', kind: 'delete-stuck', patch: { causeDetail: `not deleted: ${toDomainError(error).message}` } });
    throw error;
  }
}

/** Ends processes and unmounts; any number of times, in any half-made state. Record and writable layers stay. */
async function takeDown(unit: SandboxUnit, run: EndRun): Promise<void> {
  const { deps } = unit;
  unit.agent?.close();
  await run.step('vmm', () => endVm(unit));
  unit.agent = undefined;
  await endContainers(unit);
  await run.step('devices', () => releaseAll(unit));
  await run.step('share', async () => {
    unit.share = undefined;
    await deps.shares.remove(sharePlace(unit));
  });
  await run.step('cgroup', () => removeCgroups(unit));
  await run.step('directories', () => deps.directories.remove(deps.places.runDir(unit.id)));
}

async function stopContainers(unit: SandboxUnit, graceMs: number, signal: AbortSignal): Promise<void> {
  const stopping = [...unit.containers.values()].filter((container) => !hasEnded(container));
  await Promise.all(
    stopping.map(async (container) => {
      try {
        const stopSignal = signalNumber(container.record.spec.stopSignal) ?? 15;
        const wasPaused = container.record.state === 'paused';
        await unit.actor.commit({ target: 'container', id: container.id, kind: 'stop-requested', patch: { resumeOnStart: true } });
        await stopInGuest(container, stopSignal, graceMs, { signal, wasPaused });
      } catch (error) {
        // Its VM is about to end; that ends it too.
        unit.log.warn({ error, container: container.id }, 'container not stopped with grace');
      }
    }),
  );
}

async function guestDown(unit: SandboxUnit): Promise<void> {
  const agent = unit.agent?.current;
  if (agent === undefined) return;
  await agent.destroySandbox({ signal: AbortSignal.timeout(GUEST_DOWN_MS) }).catch((error: unknown) => { unit.log.debug({ error }, 'guest did not answer its last call'); });
}

/** What ran in a VM that is gone has ended with it. Containers that never started stay as they are: the next start makes them again. */
async function endContainers(unit: SandboxUnit): Promise<void> {
  const { cause = 'UNKNOWN', causeDetail } = unit.record;
  for (const container of unit.containers.values()) {
    await container.renew();
    if (!container.exists || !mayHaveRun(container.record)) continue;
    const exit: ExitStatus = { code: LOST_EXIT_CODE, signal: 0, oomKilled: false, atMs: unit.deps.clock.wallMs(), cause, detail: causeDetail === '' ? 'its VM ended' : causeDetail };
    await container.ended(exit, { resumeOnStart: true });
  }
}

function mayHaveRun(record: ContainerRecord): boolean {
  return record.state === 'running' || record.state === 'paused' || record.state === 'stopping' || record.state === 'unknown';
}
