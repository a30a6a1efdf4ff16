import { UndoStack } from '../../base/async-stack.ts';
import { linkSignals } from '../../base/abort.ts';
import { DomainError, toDomainError } from '../../core/model/errors.ts';
import type { ExitStatus } from '../../core/model/outcome.ts';
import type { ContainerSpec } from '../../core/model/sandbox-spec.ts';
import type { HostMount, ResolvedSource } from '../../core/ports/storage.ts';
import type { ContainerNode, GuestAgent, OciSpec } from '../../core/ports/agent.ts';
import type { WaitOptions } from '../../core/ports/host.ts';
import type { ContainerTranslation, HookRunState } from '../../core/ports/oci.ts';
import { attachWanted, mustMakeNodes, wantedDevices, type WantedDevice } from './container-devices.ts';
import type { ContainerUnit } from './container-unit.ts';
import type { PhaseTimer } from './phase-timer.ts';
import { PlanRun } from './plan-run.ts';
import { provideRootfs, removeRootfs } from './rootfs-runs.ts';
import { exitCodeOfStartFailure, startRefused } from './start-failure.ts';

const SIGKILL = 9;
/** A process that got SIGKILL is gone within this, or its guest is not what it should be. */
const KILL_WAIT_MS = 10_000;

export interface Prepared {
  /** With a name for each of its volumes. */
  readonly spec: ContainerSpec;
  readonly source: ResolvedSource;
  readonly translation: ContainerTranslation;
  readonly mounts: readonly HostMount[];
  readonly devices: readonly WantedDevice[];
  /** Those of the mounts that are volumes. */
  readonly volumes: readonly HostMount[];
}

/** Resolves and translates: everything that can be wrong with a container's spec is found here, before anything is touched. */
export async function prepare(unit: ContainerUnit, wanted: ContainerSpec): Promise<Prepared> {
  const { deps, record } = unit.sandbox;
  if (record.profile.agent === 'none') {
    throw new DomainError('UNSUPPORTED', 'the guest has no agent, so nobody there can create a container', { sandboxId: record.id, remedy: 'use a profile whose guest has an agent (agent = "viv-agent")' });
  }
  const source = unit.exists ? await unit.source() : await deps.oci.resolve(wanted.rootfs);
  deps.hooks.check(source);
  const spec = unit.exists ? wanted : withVolumes(unit, wanted, source);
  const translation = await deps.oci.container({ containerId: unit.id, hostname: hostname(unit), spec, source });
  const volumes = deps.volumes.resolve(spec.mounts);
  return { spec, source, translation, mounts: await hostMounts(unit, spec, volumes), devices: await wantedDevices(unit, spec), volumes };
}

/** What is decided once: a container that was made before keeps its volumes as they are. Where nothing is shared an image's volumes stay directories of the container's own layer. */
function withVolumes({ sandbox }: ContainerUnit, spec: ContainerSpec, { image }: ResolvedSource): ContainerSpec {
  const shares = sandbox.record.profile.sharedFs !== 'none';
  return { ...spec, mounts: sandbox.deps.volumes.named(spec.mounts, shares ? (image?.volumes ?? []) : []) };
}

async function hostMounts({ sandbox }: ContainerUnit, spec: ContainerSpec, volumes: readonly HostMount[]): Promise<readonly HostMount[]> {
  const mounts = [...(await sandbox.deps.mounts.resolve(spec.mounts)), ...volumes];
  if (mounts.length > 0 && sandbox.record.profile.sharedFs === 'none') {
    throw new DomainError('UNSUPPORTED', `sandbox ${sandbox.record.name} shares no files with its guest, so nothing of the host can be mounted in it`, { sandboxId: sandbox.id, remedy: 'use a profile with shared_fs = "virtiofs"' });
  }
  return mounts;
}

/** What the agent wrote when the sandbox was set up. The kata protocol brings only DNS lines; an agent of ours that is new enough tells the sandbox's name as well. */
async function guestFiles(unit: ContainerUnit, agent: GuestAgent, wait: WaitOptions): Promise<readonly string[]> {
  const { servers, searches, options } = unit.sandbox.record.spec.dns;
  const names = (await agent.features(wait)).has('names');
  return [...(names ? ['/etc/hostname', '/etc/hosts'] : []), ...(servers.length + searches.length + options.length > 0 ? ['/etc/resolv.conf'] : [])];
}

function hostname(unit: ContainerUnit): string {
  const { spec, id } = unit.sandbox.record;
  return spec.hostname === '' ? id.slice(-10) : spec.hostname;
}

/** What it brings is plugged in: each in its turn, which a pause of the VM may come between, so this is no part of making it in the guest. */
export async function bringDevices(unit: ContainerUnit, { devices }: Prepared, timer: PhaseTimer, options: WaitOptions): Promise<readonly ContainerNode[]> {
  if (devices.length === 0) return [];
  return await new PlanRun(unit.sandbox, 'container-create', timer).step('devices', () => attachWanted(unit, devices, options), options);
}

/** Root file system mounted, guest told. All undone on failure. */
export async function makeInGuest(unit: ContainerUnit, prepared: Prepared & { readonly nodes: readonly ContainerNode[] }, timer: PhaseTimer, options: WaitOptions): Promise<void> {
  const { sandbox } = unit;
  const { nodes } = prepared;
  const { deps } = sandbox;
  const agent = await reachable(unit, options);
  const run = new PlanRun(sandbox, 'container-create', timer);
  await mustMakeNodes(agent, nodes, options);
  const undo = new UndoStack();
  try {
    const place = unit.rootfsPlace();
    const first = unit.record.state === 'creating';
    await deps.directories.make(place.stateDir);
    undo.defer(() => removeRootfs(unit, place));
    const rootfs = await provideRootfs(unit, prepared.source, run, options);
    const spec = await prepared.translation.forGuest({ files: await guestFiles(unit, agent, options), rootfs: rootfs.hostPath, disk: rootfs.disk, nodes, ruled: (await agent.features(options)).has('rules') });
    if (prepared.volumes.length > 0) {
      undo.defer(() => (first ? deps.volumes.giveUp(prepared.spec.mounts) : Promise.resolve()));
      const passing = unit.record.spec.autoRemove || sandbox.record.spec.autoRemove;
      await run.step('volumes', () => deps.volumes.provide({ place, mounts: prepared.spec.mounts, lowers: prepared.source.lowers, first, passing }, options), options);
    }
    if (prepared.mounts.length > 0) {
      undo.defer(() => deps.mounts.remove(place));
      await run.step('mounts', () => deps.mounts.prepare(place, prepared.mounts, options), options);
    }
    undo.defer(() => agent.removeContainer(unit.id));
    const setup = { containerId: unit.id, spec, storages: [...rootfs.storages, ...deps.oci.storages({ containerId: unit.id })], devices: nodes, sharedPidNamespace: sandbox.record.spec.sharedPidNamespace };
    await run.step('agent_create', () => agent.createContainer(setup, options), options);
    unit.inGuest = true;
    await run.step('hooks', () => deps.hooks.run('beforeStart', prepared.source, hookState(unit, spec), options), options);
    undo.move();
  } catch (error) {
    unit.inGuest = false;
    await undo[Symbol.asyncDispose]().catch((problem: unknown) => { sandbox.log.warn({ error: problem, container: unit.id }, 'a failed create was not undone whole'); });
    throw error;
  }
}

/** Starts the first process; it is running, and its output on its way to the log, when this resolves. */
export async function startInGuest(unit: ContainerUnit, timer: PhaseTimer, options: WaitOptions): Promise<void> {
  const run = new PlanRun(unit.sandbox, 'container-start', timer);
  const agent = await reachable(unit, options);
  await recordStart(unit, agent, run);
  await lateHooks(unit, 'afterStart');
  await run.step('stdin', () => openStdin(unit, agent, options), options);
}

async function recordStart(unit: ContainerUnit, agent: GuestAgent, run: PlanRun<'container-start'>): Promise<void> {
  const { sandbox } = unit;
  using _recorded = unit.starting();
  await unit.pump();
  try {
    // From here on the caller's going away changes nothing: a process that may run is a process that is watched.
    await run.step('agent_start', () => agent.startContainer(unit.id));
  } catch (error) {
    const problem = toDomainError(error);
    if (problem.reason !== 'AGENT_REFUSED') throw error;
    throw await startFailed(unit, problem);
  }
  await sandbox.actor.commit({ target: 'container', id: unit.id, kind: 'started', patch: { startedAtMs: sandbox.deps.clock.wallMs(), guestPid: unit.guestPid, finishedAtMs: undefined, exit: undefined, resumeOnStart: false } });
}

/** Nobody will write to it, or a terminal gets its size. */
async function openStdin(unit: ContainerUnit, agent: GuestAgent, options: WaitOptions): Promise<void> {
  const { spec } = unit.record;
  if (!spec.stdin) await unit.stdin.close(options.signal);
  else if (spec.tty && spec.ttySize !== undefined) await agent.resizeTty({ containerId: unit.id, execId: undefined }, spec.ttySize.rows, spec.ttySize.columns, options);
}

/** Hooks whose failure changes nothing: it is logged. */
export async function lateHooks(unit: ContainerUnit, moment: 'afterStart' | 'afterDelete'): Promise<void> {
  const { deps, log } = unit.sandbox;
  if (unit.record.spec.rootfs.kind !== 'bundle') return;
  try {
    await deps.hooks.run(moment, await deps.oci.resolve(unit.record.spec.rootfs), hookState(unit, {}));
  } catch (error) {
    log.warn({ error, container: unit.id, moment }, 'a hook failed');
  }
}

function hookState(unit: ContainerUnit, spec: OciSpec): HookRunState {
  const annotations = spec['annotations'] as Readonly<Record<string, string>> | undefined;
  return { containerId: unit.id, vmmPid: unit.sandbox.session?.ref.process.pid ?? 0, annotations: annotations ?? unit.record.spec.annotations };
}

async function startFailed(unit: ContainerUnit, problem: DomainError): Promise<DomainError> {
  const code = exitCodeOfStartFailure(problem.message);
  const refusal = startRefused(problem, unit.id, unit.record.command);
  const exit: ExitStatus = { code, signal: 0, oomKilled: false, atMs: unit.sandbox.deps.clock.wallMs(), cause: 'CONTAINER_EXIT', detail: refusal.message };
  await unit.renew();
  await removeFromGuest(unit);
  await unit.sandbox.actor.commit({ target: 'container', id: unit.id, kind: 'start-failed', patch: { exit, finishedAtMs: exit.atMs } });
  return refusal;
}

/** Stop signal, grace, SIGKILL to all, and the end seen. */
export async function stopInGuest(unit: ContainerUnit, signal: number, graceMs: number, options: WaitOptions & { readonly wasPaused?: boolean }): Promise<void> {
  const agent = await reachable(unit, options);
  const { actor, deps } = unit.sandbox;
  const key = { containerId: unit.id, execId: undefined };
  if (options.wasPaused === true) await agent.resumeContainer(unit.id, options);
  if (signal !== SIGKILL && graceMs > 0) {
    await agent.signal(key, signal, false, options);
    if (await endedWithin(unit, graceMs, options)) return;
  }
  await agent.signal(key, SIGKILL, true, options);
  if (await endedWithin(unit, KILL_WAIT_MS, options)) return;
  throw new DomainError('AGENT_UNREACHABLE', `container ${unit.id} did not end ${KILL_WAIT_MS / 1000} s after SIGKILL`, { sandboxId: actor.record.id, containerId: unit.id, remedy: 'stop the sandbox with force', facts: { at: String(deps.clock.wallMs()) } });
}

async function endedWithin(unit: ContainerUnit, ms: number, options: WaitOptions): Promise<boolean> {
  const { actor, deps } = unit.sandbox;
  const over = new AbortController();
  const timer = deps.clock.timer(ms, () => { over.abort(new Error('time is over')); });
  using both = linkSignals(options.signal, over.signal);
  try {
    await actor.until(() => hasEnded(unit), { signal: both.signal });
    return true;
  } catch (error) {
    if (over.signal.aborted) return hasEnded(unit);
    throw error;
  } finally {
    timer[Symbol.dispose]();
  }
}

export function hasEnded(unit: ContainerUnit): boolean {
  return !unit.exists || unit.record.state === 'exited' || unit.record.state === 'created' || unit.record.state === 'deleting';
}

/** The guest forgets it. A guest that is gone has forgotten it already. */
export async function removeFromGuest(unit: ContainerUnit): Promise<void> {
  const agent = unit.sandbox.agent?.current;
  if (agent !== undefined && unit.inGuest) await agent.removeContainer(unit.id);
  unit.inGuest = false;
}

/** Everything of it on the host is unmounted or on its way to the trash. */
export async function removeFromHost(unit: ContainerUnit): Promise<void> {
  const { deps } = unit.sandbox;
  const place = unit.rootfsPlace();
  await unit.release();
  await deps.mounts.remove(place);
  await deps.rootfs.remove(place);
  await deps.trash.discard(place.stateDir, place.trashDir);
  deps.trash.empty(place.trashDir);
}

async function reachable(unit: ContainerUnit, options: WaitOptions): Promise<GuestAgent> {
  const { agent } = unit.sandbox;
  if (agent === undefined) throw new DomainError('WRONG_STATE', `sandbox ${unit.sandbox.record.name} has no running VM`, { sandboxId: unit.sandbox.id, remedy: 'start the sandbox first' });
  return await agent.get(options);
}
