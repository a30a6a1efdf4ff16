import { raceSignal } from '../../base/abort.ts';
import { DomainError } from '../../core/model/errors.ts';
import type { SandboxRecord, SandboxState } from '../../core/model/record.ts';
import type { Phase } from '../../core/model/outcome.ts';
import type { SandboxSpec } from '../../core/model/sandbox-spec.ts';
import type { WaitOptions } from '../../core/ports/host.ts';
import { openConsole } from './console.ts';
import type { Deps } from './deps.ts';
import type { ConsoleSession, MutateOptions, Page, PageRequest, SandboxOperations, SandboxStats, Timed } from './facade.ts';
import { newSandbox, planFor } from './new-sandbox.ts';
import { hasLabels, page, sameLabels } from './pages.ts';
import { PhaseTimer } from './phase-timer.ts';
import type { Registry } from './registry.ts';
import type { SandboxUnit } from './sandbox-unit.ts';
import { sandboxStats, type ProcessMeter } from './stats.ts';
import { makeUnit } from './unit-factory.ts';

/** Starts the containers of a sandbox that has just booted (container-operations does it). */
export type ContainerStarter = (unit: SandboxUnit, options: WaitOptions) => Promise<readonly string[]>;

/** Sandboxes by id and name: admission, lookup, and every verb on one. */
export class SandboxManager implements SandboxOperations {
  readonly #deps: Deps;
  readonly #registry: Registry;
  readonly #startContainers: ContainerStarter;
  readonly #meter: ProcessMeter;
  #draining = false;

  constructor(deps: Deps, registry: Registry, startContainers: ContainerStarter, meter: ProcessMeter) {
    this.#deps = deps;
    this.#registry = registry;
    this.#startContainers = startContainers;
    this.#meter = meter;
  }

  /** New sandboxes are refused from now on. */
  drain(): void {
    this.#draining = true;
  }

  async create(spec: SandboxSpec, options: MutateOptions): Promise<Timed<SandboxRecord>> {
    if (this.#draining) throw new DomainError('SHUTTING_DOWN', 'the daemon is stopping', { remedy: 'try again once it is back' });
    const timer = new PhaseTimer(this.#deps.clock);
    const id = options.attempt?.subject ?? this.#deps.ids.id();
    if (spec.name !== '') this.#registry.reserveName('sandbox', spec.name, id);
    try {
      const record = await newSandbox(this.#deps, id, spec);
      this.#registry.reserveName('sandbox', record.name, id);
      const unit = makeUnit(this.#deps, record);
      using _place = await timer.time('admission', () => this.#deps.admission.enter(id, record.memoryBytes, options));
      await timer.time('intent', () => unit.actor.begin());
      this.#registry.addSandbox(unit);
      await unit.start('run-boot', { signal: options.signal, timer });
      return { value: unit.record, mode: unit.record.mode, phases: timer.finish() };
    } catch (error) {
      this.#forgetFailed(id, spec.name);
      throw error;
    }
  }

  async start(ref: string, options: MutateOptions): Promise<Timed<SandboxRecord> & { readonly startedContainerIds: readonly string[] }> {
    const unit = this.#registry.sandbox(ref);
    const timer = new PhaseTimer(this.#deps.clock);
    if (unit.record.state === 'stopped') {
      using _place = await timer.time('admission', () => this.#deps.admission.enter(unit.id, unit.record.memoryBytes, options));
      try {
        await unit.actor.commit({ target: 'sandbox', kind: 'boot-requested', patch: { cause: undefined, causeDetail: '', finishedAtMs: undefined, resources: planFor(this.#deps, unit.id, unit.record.profile).resources }, run: { signal: options.signal, timer } });
        await unit.runEnded();
      } catch (error) {
        this.#deps.admission.release(unit.id);
        throw error;
      }
    } else if (unit.record.state !== 'ready' && unit.record.state !== 'running') {
      // Refused with the state's own words.
      await unit.actor.commit({ target: 'sandbox', kind: 'boot-requested' });
    }
    const startedContainerIds = await timer.time('containers', () => this.#startContainers(unit, options));
    await unit.actor.commit({ target: 'sandbox', kind: 'started' });
    return { value: unit.record, mode: unit.record.mode, phases: timer.finishAs('start', this.#deps.metrics), startedContainerIds };
  }

  async stop(ref: string, how: { readonly force: boolean; readonly graceMs: number | undefined }, options: MutateOptions): Promise<Timed<SandboxRecord>> {
    const unit = this.#registry.sandbox(ref);
    const timer = new PhaseTimer(this.#deps.clock);
    const reason = new DomainError('CANCELLED', 'stopped by an operator while it was being created', { sandboxId: unit.id });
    if (unit.record.state === 'paused' && !how.force) await this.#wake(unit, options);
    await unit.actor.commit({ target: 'sandbox', kind: 'stop-requested', run: { ...how, timer, reason } });
    const record = await unit.actor.until((current) => current.state === 'stopped' || current.state === 'failed', options);
    if (record.state === 'failed') throw new DomainError('HOST_RESOURCE', record.causeDetail, { sandboxId: unit.id, remedy: 'delete it; what remains is in its resources' });
    return { value: unit.actor.gone ? { ...record, state: 'stopped' } : record, mode: record.mode, phases: timer.finishAs('stop', this.#deps.metrics) };
  }

  async delete(ref: string, how: { readonly force: boolean; readonly removeVolumes?: boolean }, _options: MutateOptions): Promise<readonly Phase[]> {
    const unit = this.#registry.sandbox(ref);
    if (how.removeVolumes === true) for (const { spec } of unit.record.containers) await this.#deps.volumes.giveUp(spec.mounts);
    const timer = new PhaseTimer(this.#deps.clock);
    await unit.actor.commit({ target: 'sandbox', kind: how.force ? 'force-delete-requested' : 'delete-requested', run: { timer } });
    // Once asked for it goes on, whether or not the caller stays.
    const record = await unit.actor.until((current) => current.state === 'failed');
    if (!unit.actor.gone) throw new DomainError('HOST_RESOURCE', record.causeDetail, { sandboxId: unit.id, remedy: 'remove what is named and delete it again' });
    this.#registry.removeSandbox(unit);
    return timer.finishAs('delete', this.#deps.metrics);
  }

  get(ref: string): SandboxRecord {
    return this.#registry.sandbox(ref).record;
  }

  async recovered(id: string, options: WaitOptions): Promise<void> {
    const unit = this.#registry.sandboxes.find((candidate) => candidate.id === id);
    await raceSignal(this.#registry.settling.get(id) ?? Promise.resolve(undefined), options.signal);
    if (unit === undefined || unit.actor.gone || unit.record.state !== 'recovering') return;
    throw new DomainError('RECOVERING', `sandbox ${unit.record.name} could not be recovered`, { sandboxId: unit.id, remedy: 'see its conditions' });
  }

  list(filter: { readonly labels: Readonly<Record<string, string>>; readonly states: readonly SandboxState[] }, request: PageRequest): Page<SandboxRecord> {
    const matching = this.#registry.sandboxes
      .map((unit) => unit.record)
      .filter((record) => hasLabels(record.spec.labels, filter.labels) && (filter.states.length === 0 || filter.states.includes(record.state)));
    return page(matching, (record) => record.id, request);
  }

  async pause(ref: string, options: MutateOptions): Promise<Timed<SandboxRecord>> {
    return await this.#verb(ref, 'pause-requested', options, (state) => state === 'paused');
  }

  async resume(ref: string, options: MutateOptions): Promise<Timed<SandboxRecord>> {
    const unit = this.#registry.sandbox(ref);
    if (options.attempt?.begunAtMs !== undefined && (unit.record.state === 'ready' || unit.record.state === 'running')) return await this.#finishResume(unit, options);
    return await this.#verb(ref, 'resume-requested', options, (state) => state !== 'paused');
  }

  async wait(ref: string, options: WaitOptions): ReturnType<SandboxOperations['wait']> {
    const unit = this.#registry.sandbox(ref);
    const record = await unit.actor.until((current) => current.state === 'stopped' || current.state === 'failed', options);
    return { state: unit.actor.gone ? 'deleted' : record.state, cause: record.cause, detail: record.causeDetail, finishedAtMs: record.finishedAtMs };
  }

  async stats(ref: string, options: WaitOptions): Promise<SandboxStats> {
    return await sandboxStats(this.#registry.sandbox(ref), this.#meter, options);
  }

  async updateLabels(ref: string, labels: Readonly<Record<string, string>>, options: MutateOptions): Promise<SandboxRecord> {
    const unit = this.#registry.sandbox(ref);
    if (options.attempt?.begunAtMs !== undefined && sameLabels(unit.record.spec.labels, labels)) return unit.record;
    return await unit.actor.commit({ target: 'facts', what: 'labels', patch: { spec: { ...unit.record.spec, labels } } });
  }

  async console(ref: string, how: { readonly replay: boolean; readonly follow: boolean }, options: WaitOptions): Promise<ConsoleSession> {
    return await openConsole(this.#registry.sandbox(ref), how, options);
  }

  async #verb(ref: string, kind: 'pause-requested' | 'resume-requested', options: MutateOptions, done: (state: SandboxState) => boolean): Promise<Timed<SandboxRecord>> {
    const unit = this.#registry.sandbox(ref);
    const timer = new PhaseTimer(this.#deps.clock);
    const record = await unit.actor.commit({ target: 'sandbox', kind, run: { signal: options.signal, timer } });
    if (!done(record.state)) await unit.runEnded({ signal: options.signal });
    return { value: unit.record, mode: unit.record.mode, phases: timer.finishAs(kind === 'pause-requested' ? 'pause' : 'resume', this.#deps.metrics) };
  }

  /** A resume that a restart of the daemon cut short: the VM goes on already, and its guest's clock may not have been set. */
  async #finishResume(unit: SandboxUnit, options: MutateOptions): Promise<Timed<SandboxRecord>> {
    const agent = await unit.agent?.get(options);
    await agent?.setTime(this.#deps.clock.wallMs(), options);
    return { value: unit.record, mode: unit.record.mode, phases: [] };
  }

  /** A stop with grace needs a guest that runs. */
  async #wake(unit: SandboxUnit, options: MutateOptions): Promise<void> {
    await this.resume(unit.id, options).catch((error: unknown) => { unit.log.warn({ error }, 'not resumed for a graceful stop'); });
  }

  #forgetFailed(id: string, name: string): void {
    const unit = this.#registry.sandboxes.find((candidate) => candidate.id === id);
    if (unit === undefined) this.#registry.freeName('sandbox', name === '' ? id.slice(-10) : name, id);
    else if (unit.actor.gone) this.#registry.removeSandbox(unit);
    if (unit === undefined || unit.actor.gone) this.#deps.admission.release(id);
  }
}
