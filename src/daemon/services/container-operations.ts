import { DomainError, toDomainError } from '../../core/model/errors.ts';
import { shortId } from '../../core/model/ids.ts';
import type { ExitStatus, Phase } from '../../core/model/outcome.ts';
import type { ContainerRecord, ContainerState, SandboxRecord } from '../../core/model/record.ts';
import type { ContainerSpec, ExecSpec, TtySize } from '../../core/model/sandbox-spec.ts';
import type { WaitOptions } from '../../core/ports/host.ts';
import type { LogEvent } from '../../core/ports/logs.ts';
import { attachStream } from './attach-stream.ts';
import { bringDevices, hasEnded, lateHooks, makeInGuest, prepare, removeFromGuest, removeFromHost, startInGuest, stopInGuest, type Prepared } from './container-runs.ts';
import { detachOwned } from './container-devices.ts';
import { ContainerUnit } from './container-unit.ts';
import type { Deps } from './deps.ts';
import type { ExecLauncher } from './exec-launcher.ts';
import type { ContainerOperations, ContainerView, MutateOptions, Offsets, Page, PageRequest, ProcessStream, ResumeOptions, Timed } from './facade.ts';
import { mustNotRest, mustRun, reachableAgent } from './guest-access.ts';
import { hasLabels, page } from './pages.ts';
import { PhaseTimer } from './phase-timer.ts';
import { PlanRun } from './plan-run.ts';
import { decideRootfs, takeDisksOut } from './rootfs-runs.ts';
import type { Registry } from './registry.ts';
import type { SandboxUnit } from './sandbox-unit.ts';
import { signalNumber } from './signals.ts';

const START: Offsets = { stdout: 0n, stderr: 0n };

/** Every verb on a container. */
export class Containers implements ContainerOperations {
  readonly #deps: Deps;
  readonly #registry: Registry;
  readonly #execs: ExecLauncher;
  readonly #removeSandbox: (id: string) => Promise<unknown>;

  constructor(deps: Deps, registry: Registry, execs: ExecLauncher, removeSandbox: (id: string) => Promise<unknown>) {
    this.#deps = deps;
    this.#registry = registry;
    this.#execs = execs;
    this.#removeSandbox = removeSandbox;
  }

  /** A container of a sandbox, new or found at start. */
  makeUnit(sandbox: SandboxUnit, id: string): ContainerUnit {
    const unit = new ContainerUnit(sandbox, id, (ended) => {
      this.#afterExit(ended).catch((error: unknown) => { sandbox.log.error({ error, container: id }, 'not removed after its end'); });
    });
    return unit;
  }

  addUnit(unit: ContainerUnit): void {
    unit.sandbox.containers.set(unit.id, unit);
    this.#registry.addContainer(unit);
  }

  async create(sandboxRef: string, spec: ContainerSpec, options: MutateOptions): Promise<Timed<ContainerView>> {
    const sandbox = this.#registry.sandbox(sandboxRef);
    const timer = new PhaseTimer(this.#deps.clock);
    const id = options.attempt?.subject ?? this.#deps.ids.id();
    const name = spec.name === '' ? shortId(id) : spec.name;
    this.#registry.reserveName('container', name, id);
    const unit = this.makeUnit(sandbox, id);
    using resolving = this.#deps.resolving.enter();
    using _volumes = this.#deps.volumes.hold(spec.mounts);
    try {
      const prepared = await timer.time('prepare', () => prepare(unit, spec));
      const rootfs = decideRootfs({ sandbox, id, stateDir: unit.rootfsPlace().stateDir }, prepared.spec, { source: prepared.source, binds: prepared.mounts.length });
      await timer.time('intent', () => sandbox.actor.commit({ target: 'new-container', container: newContainer(this.#deps, { id, name, spec: prepared.spec, rootfs }, prepared) }));
      sandbox.diskUnits.settled(id);
      // From here on its record holds the image.
      resolving[Symbol.dispose]();
      this.addUnit(unit);
      await this.#make(unit, prepared, timer, options);
      const phases = timer.finishAs('container_create', this.#deps.metrics);
      await sandbox.actor.commit({ target: 'container', id, kind: 'created', patch: { phases } });
      return { value: this.#view(unit), mode: modeOf(unit), phases };
    } catch (error) {
      await this.#createFailed(unit, name);
      throw toDomainError(error).within({ sandboxId: sandbox.id, containerId: id });
    }
  }

  async start(ref: string, options: MutateOptions): Promise<Timed<ContainerView>> {
    const unit = this.#registry.container(ref);
    const timer = new PhaseTimer(this.#deps.clock);
    await unit.serial.run(async () => { if (!startedSince(unit, options)) await this.#start(unit, timer, options); });
    return { value: this.#view(unit), mode: modeOf(unit), phases: timer.finishAs('container_start', this.#deps.metrics) };
  }

  /** Those never started, and those that ran when the sandbox was stopped. */
  async startAll(sandbox: SandboxUnit, options: WaitOptions): Promise<readonly string[]> {
    const waiting = [...sandbox.containers.values()].filter((unit) => unit.record.state === 'created' || (unit.record.state === 'exited' && unit.record.resumeOnStart));
    const timer = new PhaseTimer(this.#deps.clock);
    for (const unit of waiting) await unit.serial.run(() => this.#start(unit, timer, options));
    return waiting.map((unit) => unit.id);
  }

  async stop(ref: string, graceMs: number | undefined, _options: MutateOptions): Promise<Timed<ContainerView>> {
    const unit = this.#registry.container(ref);
    const timer = new PhaseTimer(this.#deps.clock);
    await unit.serial.run(async () => {
      if (!hasEnded(unit)) mustNotRest(unit, 'stop');
      const paused = unit.record.state === 'paused';
      await unit.sandbox.actor.commit({ target: 'container', id: unit.id, kind: 'stop-requested' });
      if (hasEnded(unit)) return;
      const signal = signalNumber(unit.record.spec.stopSignal) ?? 15;
      try {
        // Not the caller's signal: once asked for, it goes on whether or not the caller stays.
        await new PlanRun(unit.sandbox, 'container-stop', timer).step('stop', () => stopInGuest(unit, signal, graceMs ?? this.#deps.stopGraceMs, { wasPaused: paused }));
      } catch (error) {
        await unit.sandbox.actor.commit({ target: 'container', id: unit.id, kind: 'stop-failed' });
        throw error;
      }
    });
    return { value: this.#view(unit), mode: modeOf(unit), phases: timer.finishAs('container_stop', this.#deps.metrics) };
  }

  async kill(ref: string, signal: string, all: boolean, options: MutateOptions): Promise<void> {
    const unit = this.#registry.container(ref);
    const number = signalNumber(signal === '' ? 'SIGKILL' : signal);
    if (number === undefined) throw new DomainError('INVALID_REQUEST', `no signal ${signal}`, { containerId: unit.id, fields: [{ field: 'signal', description: 'no such signal' }] });
    await unit.sandbox.actor.commit({ target: 'container', id: unit.id, kind: 'kill-requested' });
    const run = new PlanRun(unit.sandbox, 'container-kill', new PhaseTimer(this.#deps.clock));
    await unit.sandbox.gate.through(async () => {
      const agent = await reachableAgent(unit, options);
      await run.step('signal', () => agent.signal({ containerId: unit.id, execId: undefined }, number, all, options), options);
    }, options.signal);
  }

  async delete(ref: string, how: { readonly force: boolean; readonly removeVolumes?: boolean }, _options: MutateOptions): Promise<readonly Phase[]> {
    const unit = this.#registry.container(ref);
    const timer = new PhaseTimer(this.#deps.clock);
    const { name } = unit.record;
    await unit.serial.run(async () => {
      mustNotRest(unit, 'delete');
      const ran = !hasEnded(unit);
      if (how.removeVolumes === true) await this.#deps.volumes.giveUp(unit.record.spec.mounts);
      await unit.sandbox.actor.commit({ target: 'container', id: unit.id, kind: how.force ? 'force-delete-requested' : 'delete-requested' });
      await this.#destroy(unit, { ran, ...how }, timer);
    });
    this.#registry.removeContainer(unit, name);
    return timer.finishAs('container_delete', this.#deps.metrics);
  }

  /** A stop that was under way when the daemon died goes on. */
  finishStop(unit: ContainerUnit): void {
    this.stop(unit.id, undefined, { requestId: '' }).catch((error: unknown) => { unit.sandbox.log.warn({ error, container: unit.id }, 'a stop that an earlier daemon began failed'); });
  }

  /** Half made or half deleted when the daemon died: finished off. */
  async discard(unit: ContainerUnit): Promise<void> {
    const { name, state } = unit.record;
    unit.inGuest = true;
    if (state === 'creating') await this.#deps.volumes.giveUp(unit.record.spec.mounts);
    await removeFromGuest(unit).catch((error: unknown) => { unit.sandbox.log.debug({ error, container: unit.id }, 'the guest did not know it'); });
    await takeDisksOut(unit);
    await removeFromHost(unit);
    await unit.sandbox.actor.commit({ target: 'container', id: unit.id, kind: state === 'creating' ? 'create-failed' : 'deleted' });
    unit.sandbox.containers.delete(unit.id);
    this.#registry.removeContainer(unit, name);
  }

  get(ref: string): ContainerView {
    return this.#view(this.#registry.container(ref));
  }

  list(filter: { readonly sandboxRef: string; readonly labels: Readonly<Record<string, string>>; readonly states: readonly ContainerState[] }, request: PageRequest): Page<ContainerView> {
    const sandbox = filter.sandboxRef === '' ? undefined : this.#registry.sandbox(filter.sandboxRef);
    const matching = this.#registry.containers
      .filter((unit) => unit.exists && (sandbox === undefined || unit.sandbox === sandbox))
      .map((unit) => this.#view(unit))
      .filter(({ container }) => hasLabels(container.spec.labels, filter.labels) && (filter.states.length === 0 || filter.states.includes(container.state)));
    return page(matching, (view) => view.container.id, request);
  }

  async wait(ref: string, options: WaitOptions): Promise<ExitStatus> {
    const unit = this.#registry.container(ref);
    let exit: ExitStatus | undefined;
    await unit.sandbox.actor.until((record) => {
      const container = record.containers.find((candidate) => candidate.id === unit.id);
      exit = container?.state === 'exited' ? container.exit : exit;
      return exit !== undefined || container === undefined;
    }, options);
    if (exit === undefined) throw new DomainError('CONTAINER_NOT_FOUND', `container ${ref} was deleted`, { containerId: unit.id });
    return exit;
  }

  async pause(ref: string, options: MutateOptions): Promise<ContainerView> {
    return await this.#freeze(ref, 'pause', options);
  }

  async resume(ref: string, options: MutateOptions): Promise<ContainerView> {
    return await this.#freeze(ref, 'resume', options);
  }

  async stats(ref: string, options: WaitOptions): ReturnType<ContainerOperations['stats']> {
    const unit = this.#registry.container(ref);
    mustRun(unit, 'ask for statistics');
    const agent = await reachableAgent(unit, options);
    return { containerId: unit.id, atMs: this.#deps.clock.wallMs(), usage: await agent.usage(unit.id, options) };
  }

  async resizeTty(ref: string, execId: string, size: TtySize): Promise<void> {
    const unit = this.#registry.container(ref);
    mustNotRest(unit, 'resize');
    if (execId !== '') { await this.#registry.exec(execId).resize(size); return; }
    const agent = await reachableAgent(unit, {});
    await agent.resizeTty({ containerId: unit.id, execId: undefined }, size.rows, size.columns);
  }

  async *logs(ref: string, how: Parameters<ContainerOperations['logs']>[1], options: WaitOptions): AsyncIterable<LogEvent> {
    const unit = this.#registry.container(ref);
    const log = await unit.log();
    using _hold = unit.hold();
    const follow = how.follow && !hasEnded(unit);
    yield* log.read({ follow, sinceMs: how.sinceMs, tail: how.tail, from: how.from, signal: options.signal });
  }

  async exec(ref: string, spec: ExecSpec, options: MutateOptions): Promise<ProcessStream> {
    return await this.#execs.start(this.#registry.container(ref), spec, options);
  }

  async resumeExec(execId: string, offsets: Offsets, options: ResumeOptions): Promise<ProcessStream> {
    return await this.#execs.resume(execId, offsets, options);
  }

  async attach(ref: string, how: Parameters<ContainerOperations['attach']>[1], options: MutateOptions): Promise<ProcessStream> {
    const unit = this.#registry.container(ref);
    const timer = new PhaseTimer(this.#deps.clock);
    if (how.stdin) await this.#registry.unmet.known(unit.sandbox.id, options);
    const log = await unit.log();
    const from = how.from ?? (how.replay ? START : log.end);
    const hold = unit.hold();
    try {
      if (how.start && unit.record.state === 'created') await unit.serial.run(() => this.#start(unit, timer, options));
      return await attachStream({ container: unit, from, stdin: how.stdin, phases: timer.finish() });
    } finally {
      hold[Symbol.dispose]();
    }
  }

  async #make(unit: ContainerUnit, prepared: Prepared, timer: PhaseTimer, options: WaitOptions): Promise<void> {
    const nodes = await bringDevices(unit, prepared, timer, options);
    await unit.sandbox.gate.through(() => makeInGuest(unit, { ...prepared, nodes }, timer, options), options.signal);
  }

  async #start(unit: ContainerUnit, timer: PhaseTimer, options: WaitOptions): Promise<void> {
    const { sandbox } = unit;
    if (sandbox.record.state !== 'ready' && sandbox.record.state !== 'running') {
      throw new DomainError('WRONG_STATE', `cannot start: sandbox ${sandbox.record.name} is ${sandbox.record.state}`, { sandboxId: sandbox.id, containerId: unit.id, remedy: sandbox.record.state === 'paused' ? 'resume the sandbox first' : 'start the sandbox first' });
    }
    if (unit.record.state === 'exited') {
      await removeFromGuest(unit);
      await unit.renew();
    }
    const logBase = unit.record.state === 'running' ? unit.record.logBase : (await unit.log()).end;
    await sandbox.actor.commit({ target: 'container', id: unit.id, kind: 'start-requested', patch: { logBase } });
    if (unit.record.state === 'running') return;
    if (!unit.inGuest) {
      await this.#make(unit, await prepare(unit, unit.record.spec), timer, options);
    }
    await sandbox.gate.through(() => startInGuest(unit, timer, options), options.signal);
  }

  async #createFailed(unit: ContainerUnit, name: string): Promise<void> {
    unit.sandbox.diskUnits.settled(unit.id);
    const leftOver = (error: unknown): void => { unit.sandbox.log.warn({ error, container: unit.id }, 'left over from a failed create'); };
    await detachOwned(unit, { force: true }).catch(leftOver);
    if (unit.exists) await unit.sandbox.actor.commit({ target: 'container', id: unit.id, kind: 'create-failed' });
    unit.sandbox.containers.delete(unit.id);
    this.#registry.removeContainer(unit, name);
    await removeFromHost(unit).catch(leftOver);
    await this.#deps.volumes.sweep().catch(leftOver);
  }

  /** Kills what runs, and removes guest side, mounts, writable layer and log. */
  async #destroy(unit: ContainerUnit, { ran, force }: { readonly ran: boolean; readonly force: boolean }, timer: PhaseTimer): Promise<void> {
    const agent = unit.sandbox.agent?.current;
    const run = new PlanRun(unit.sandbox, 'container-delete', timer);
    if (ran && agent !== undefined) await run.step('kill', () => agent.signal({ containerId: unit.id, execId: undefined }, 9, true));
    await run.step('guest', () => removeFromGuest(unit));
    await run.step('devices', () => detachOwned(unit, { force }));
    if (unit.record.rootfs.disks !== undefined) await run.step('disks', () => takeDisksOut(unit));
    await run.step('host', () => removeFromHost(unit));
    await lateHooks(unit, 'afterDelete');
    await unit.sandbox.actor.commit({ target: 'container', id: unit.id, kind: 'deleted' });
    unit.sandbox.containers.delete(unit.id);
  }

  /** An earlier daemon saw its exit, and may not have come to its removal. */
  foundExited(unit: ContainerUnit): void {
    this.#afterExit(unit).catch((error: unknown) => { unit.sandbox.log.error({ error, container: unit.id }, 'not removed after its end'); });
  }

  /** `--rm`: once nobody reads its streams any more. */
  async #afterExit(unit: ContainerUnit): Promise<void> {
    const { sandbox } = unit;
    if (!unit.record.spec.autoRemove && !sandbox.record.spec.autoRemove) return;
    // Who read its streams when the daemon before ended has not seen its exit yet.
    if (this.#registry.found.has(unit.id)) await this.#registry.rejoined;
    await unit.unheld();
    if (!unit.exists) return;
    if (sandbox.record.spec.autoRemove && [...sandbox.containers.values()].every((other) => other.record.state === 'exited')) {
      await this.#removeSandbox(sandbox.id);
    } else if (unit.record.spec.autoRemove && sandbox.record.state !== 'deleting') {
      await this.delete(unit.id, { force: true }, { requestId: '' });
    }
  }

  async #freeze(ref: string, verb: 'pause' | 'resume', options: MutateOptions): Promise<ContainerView> {
    const unit = this.#registry.container(ref);
    await unit.serial.run(async () => {
      const { actor } = unit.sandbox;
      const before = unit.record.state;
      if (verb === 'resume' && before === 'running' && options.attempt?.begunAtMs !== undefined) return;
      await actor.commit({ target: 'container', id: unit.id, kind: verb === 'pause' ? 'pause-requested' : 'resume-requested' });
      if (verb === 'pause' && before === 'paused') return;
      const agent = await reachableAgent(unit, options);
      const timer = new PhaseTimer(this.#deps.clock);
      try {
        if (verb === 'pause') await new PlanRun(unit.sandbox, 'container-pause', timer).step('freeze', () => agent.pauseContainer(unit.id, options), options);
        else await new PlanRun(unit.sandbox, 'container-resume', timer).step('thaw', () => agent.resumeContainer(unit.id, options), options);
      } catch (error) {
        // Whether the guest did it is not known: what the record says is made true again.
        await (before === 'paused' ? agent.pauseContainer(unit.id) : agent.resumeContainer(unit.id)).catch((problem: unknown) => { unit.sandbox.log.debug({ error: problem, container: unit.id }, 'the guest had nothing to undo'); });
        throw error;
      }
      await actor.commit({ target: 'container', id: unit.id, kind: verb === 'pause' ? 'paused' : 'resumed' });
    });
    return this.#view(unit);
  }

  #view(unit: ContainerUnit): ContainerView {
    return { sandbox: unit.sandbox.record, container: unit.record, logPath: this.#deps.places.logDir(unit.sandbox.id, unit.id) };
  }
}

/** Its sandbox's, with its own root file system. */
function modeOf({ sandbox, record }: ContainerUnit): SandboxRecord['mode'] {
  const { mode } = sandbox.record;
  return mode === undefined ? undefined : { ...mode, rootfs: record.rootfs.kind };
}

/** The same request has started it before; it may have ended since. */
function startedSince({ record }: ContainerUnit, { attempt }: MutateOptions): boolean {
  return attempt?.begunAtMs !== undefined && record.startedAtMs !== undefined && record.startedAtMs >= attempt.begunAtMs;
}

function newContainer(deps: Deps, { id, name, spec, rootfs }: Pick<ContainerRecord, 'id' | 'name' | 'spec' | 'rootfs'>, prepared: Prepared): ContainerRecord {
  return {
    id,
    name,
    spec: { ...spec, stopSignal: prepared.translation.stopSignal },
    state: 'creating',
    createdAtMs: deps.clock.wallMs(),
    startedAtMs: undefined,
    finishedAtMs: undefined,
    exit: undefined,
    command: prepared.translation.command,
    image: prepared.source.image?.name ?? (spec.rootfs.kind === 'image' ? spec.rootfs.name : spec.rootfs.path),
    guestPid: 0,
    resumeOnStart: false,
    phases: [],
    lower: prepared.source.lowers[0] ?? '',
    lowerLayers: prepared.source.lowers.slice(1),
    imageId: prepared.source.image?.pulled?.record.id ?? '',
    rootfs,
    logBase: { stdout: 0n, stderr: 0n },
  };
}
