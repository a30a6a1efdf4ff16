import { deferred } from '../../base/abort.ts';
import { shortId } from '../../core/model/ids.ts';
import { toDomainError } from '../../core/model/errors.ts';
import type { Cause } from '../../core/model/outcome.ts';
import type { ContainerRecord, SandboxRecord } from '../../core/model/record.ts';
import type { GuestAgent, GuestProcess } from '../../core/ports/agent.ts';
import type { AgentHandle } from './agent-handle.ts';
import { judgeProcess, type CauseOfEnd } from './cause-of-end.ts';
import type { Containers } from './container-operations.ts';
import type { Deps } from './deps.ts';
import { pluggedIn, settleDevices, unitsOf } from './device-settle.ts';
import { foundExec } from './found-exec.ts';
import { PhaseTimer } from './phase-timer.ts';
import { PlanRun } from './plan-run.ts';
import { processesOf } from './recorded-processes.ts';
import type { Registry } from './registry.ts';
import type { SandboxUnit } from './sandbox-unit.ts';
import { sharePlace } from './share-place.ts';
import { makeFoundUnit } from './unit-factory.ts';

const ADOPT_AGENT_MS = 10_000;
/** Between two tries to adopt a sandbox that answered none: the first, and the longest. */
const FIRST_RETRY_MS = 1000;
const LAST_RETRY_MS = 30_000;
/** Clients whose streams broke look for a daemon at least once a second; a container that removes itself waits so long for them. */
const REJOIN_MS = 10_000;

export interface RecoveryOptions {
  /** Sandboxes that are looked at side by side. */
  readonly concurrency: number;
}

/** What a daemon that comes back does: adopt what lives, settle what does not, leave alone what it can't read. */
export class Recovery {
  readonly #deps: Deps;
  readonly #registry: Registry;
  readonly #containers: Containers;
  readonly #concurrency: number;
  readonly #retries = new Map<string, Disposable>();
  #rejoin: Disposable | undefined;

  constructor(deps: Deps, registry: Registry, containers: Containers, options: RecoveryOptions) {
    this.#deps = deps;
    this.#registry = registry;
    this.#containers = containers;
    this.#concurrency = options.concurrency;
  }

  /** Stops trying again; what is still recovering is left to the next daemon. */
  release(): void {
    for (const retry of this.#retries.values()) retry[Symbol.dispose]();
    this.#retries.clear();
    this.#rejoin?.[Symbol.dispose]();
  }

  /** Reads every record and makes every sandbox known (as recovering); the promise in the result is for when all are settled. */
  async begin(): Promise<{ readonly settled: Promise<void> }> {
    const { records, unreadable } = await this.#deps.store.loadAll();
    for (const problem of unreadable) {
      this.#deps.log.error({ sandbox: problem.id, problem: problem.problem }, 'record can\'t be read; its VM is left alone');
      this.#deps.metrics.dropped('unreadable_record');
      this.#registry.unreadable.set(problem.id, problem.problem);
    }
    const units = records.map(({ record }) => this.#know(record));
    const rejoined = deferred<undefined>();
    this.#registry.rejoined = rejoined.promise;
    this.#rejoin = this.#deps.clock.timer(REJOIN_MS, () => { rejoined.resolve(undefined); });
    const settled = this.#settleAll(units);
    this.#registry.settled = settled.catch(() => undefined);
    return { settled };
  }

  #know(record: SandboxRecord): { readonly unit: SandboxUnit; readonly before: SandboxRecord } {
    const unit = makeFoundUnit(this.#deps, record);
    this.#registry.reserveName('sandbox', record.name, record.id);
    this.#registry.addSandbox(unit);
    for (const container of record.containers) {
      this.#registry.reserveName('container', container.name, container.id);
      this.#containers.addUnit(this.#containers.makeUnit(unit, container.id));
      this.#registry.found.add(container.id);
    }
    this.#deps.metrics.sandboxState(undefined, unit.record.state);
    if (unit.record.state === 'recovering') {
      this.#deps.admission.hold(record.id, record.memoryBytes);
      this.#expectGuest(unit);
    }
    return { unit, before: record };
  }

  async #settleAll(all: readonly { readonly unit: SandboxUnit; readonly before: SandboxRecord }[]): Promise<void> {
    const waiting = all.filter(({ unit }) => unit.record.state === 'recovering').map((found) => ({ ...found, known: deferred<undefined>() }));
    for (const { unit, known } of waiting) this.#registry.settling.set(unit.id, known.promise);
    const worker = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        await this.#settle(next.unit, next.before, FIRST_RETRY_MS);
        this.#registry.settling.delete(next.unit.id);
        next.known.resolve(undefined);
      }
    };
    await Promise.all(Array.from({ length: this.#concurrency }, worker));
  }

  /** What can't be settled now is tried again, later and later: nothing is ended for a question that got no answer. */
  async #settle(unit: SandboxUnit, before: SandboxRecord, retryMs: number): Promise<void> {
    try {
      switch (before.state) {
        case 'ready':
        case 'running':
        case 'paused':
        case 'recovering':
          await this.#adopt(unit, before);
          await unit.condition('recovery_failed', undefined);
          return;
        case 'creating':
          if (before.readyAtMs === undefined) await this.#remove(unit, { cause: 'RESOURCE_FAILURE', causeDetail: 'the daemon ended while it was being created' });
          // It stood before, with all that its containers wrote: only this boot is undone.
          else await this.#ended(unit, 'RESOURCE_FAILURE', 'the daemon ended while it was being started');
          return;
        case 'deleting':
          await this.#remove(unit);
          return;
        case 'stopping':
          await this.#ended(unit, before.cause ?? 'OPERATOR_STOP', before.causeDetail);
          return;
        case 'stopped':
        case 'failed':
          return;
      }
    } catch (error) {
      unit.log.error({ error }, 'not recovered');
      await unit.condition('recovery_failed', toDomainError(error).message);
      const timer = this.#deps.clock.timer(retryMs, () => { void this.#again(unit, before, Math.min(retryMs * 2, LAST_RETRY_MS)); });
      this.#retries.set(unit.id, timer);
    }
  }

  async #again(unit: SandboxUnit, before: SandboxRecord, retryMs: number): Promise<void> {
    this.#retries.delete(unit.id);
    // Deleted meanwhile, or its VM was heard to end.
    if (unit.record.state !== 'recovering' || unit.actor.gone) return;
    unit.letGo();
    await this.#settle(unit, before, retryMs);
  }

  async #adopt(unit: SandboxUnit, before: SandboxRecord): Promise<void> {
    const deps = this.#deps;
    if (before.bootId !== deps.bootId) {
      await this.#ended(unit, 'HOST_REBOOT', 'the host was restarted');
      return;
    }
    if (before.vm === undefined || before.vmSpec === undefined) {
      await this.#ended(unit, 'UNKNOWN', 'its record names no VM');
      return;
    }
    const run = new PlanRun(unit, 'recover', new PhaseTimer(deps.clock));
    const { vm, vmSpec } = before;
    const session = await run.step('vmm', () => deps.hypervisor.adopt(vm, vmSpec, { plugged: pluggedIn(before), units: unitsOf(before) }));
    if (session === undefined) {
      const { cause, detail } = await this.#judgeAbsent(unit, 'vmm');
      await this.#ended(unit, cause, `while the daemon was away, ${detail}`);
      return;
    }
    unit.watchSession(session);
    if (before.profile.sharedFs === 'virtiofs') {
      const share = await run.step('share', () => deps.shares.adopt(sharePlace(unit)));
      if (share === undefined) {
        const { cause, detail } = await this.#judgeAbsent(unit, 'vfs');
        await this.#ended(unit, cause === 'HOST_OOM_KILL' ? cause : 'VIRTIOFSD_LOST', `its virtiofsd ended while the daemon was away: ${detail}`);
        return;
      }
      unit.watchShare(share);
    }
    const status = await run.step('status', () => session.status());
    // The last daemon may have been without it to its end.
    await unit.condition('monitor_unreachable', undefined);
    if (status === 'paused') {
      this.#expectAgent(unit, before);
      await unit.actor.commit({ target: 'sandbox', kind: 'found-paused' });
      settleDevices(unit);
      return;
    }
    if (status !== 'running') {
      await this.#ended(unit, status === 'guest-panicked' ? 'GUEST_PANIC' : 'GUEST_SHUTDOWN', `the VM was found ${status}`);
      return;
    }
    await this.#meetAgent(unit, before, run);
    const runs = unit.record.containers.some((container) => container.state === 'running' || container.state === 'paused');
    await unit.actor.commit({ target: 'sandbox', kind: runs ? 'found-running' : 'found-ready' });
    settleDevices(unit);
  }

  /** What runs in it is not known until it has told, or until it has ended. */
  #expectGuest(unit: SandboxUnit): void {
    const { unmet } = this.#registry;
    unmet.expect(unit.id);
    const over: ReadonlySet<SandboxRecord['state']> = new Set<SandboxRecord['state']>(['stopped', 'failed', 'deleting']);
    void unit.actor.until((record) => over.has(record.state)).then(() => { unmet.met(unit.id); });
  }

  /** How a process ended that nobody watched but its launcher. */
  async #judgeAbsent(unit: SandboxUnit, launch: 'vmm' | 'vfs'): Promise<CauseOfEnd> {
    const left = await this.#deps.launcher.adopt(`${this.#deps.places.runDir(unit.id)}/${launch}`);
    const end = left?.end;
    left?.release();
    return end === undefined ? { cause: 'UNKNOWN', detail: 'nobody could tell how' } : await judgeProcess(unit, end);
  }

  /** A paused guest answers once it is resumed. */
  #expectAgent(unit: SandboxUnit, before: SandboxRecord): void {
    if (before.profile.agent === 'none') {
      this.#registry.unmet.met(unit.id);
      return;
    }
    const handle = unit.makeAgent();
    this.#meetWhenever(unit, handle);
  }

  async #meetAgent(unit: SandboxUnit, before: SandboxRecord, run: PlanRun<'recover'>): Promise<void> {
    if (before.profile.agent === 'none') {
      this.#registry.unmet.met(unit.id);
      return;
    }
    const handle = unit.makeAgent();
    try {
      const agent = await run.step('agent', () => handle.connect(ADOPT_AGENT_MS, {}));
      await unit.condition('agent_unreachable', undefined);
      await run.step('processes', () => this.#meetProcesses(unit, agent));
    } catch (error) {
      // The VM runs: it is kept, and its agent is asked again and again.
      await unit.condition('agent_unreachable', toDomainError(error).message);
      this.#meetWhenever(unit, handle);
    }
  }

  #meetWhenever(unit: SandboxUnit, handle: AgentHandle): void {
    handle.connectWhenever((agent) => {
      this.#meetProcesses(unit, agent).then(
        () => unit.condition('agent_unreachable', undefined),
        async (error: unknown) => {
          await unit.condition('agent_unreachable', toDomainError(error).message);
          this.#retries.set(unit.id, this.#deps.clock.timer(FIRST_RETRY_MS, () => { this.#meetWhenever(unit, handle); }));
        },
      ).catch((error: unknown) => { unit.log.error({ error }, 'what runs in it is not known'); });
    });
  }

  /** What the guest says runs is what runs. */
  async #meetProcesses(unit: SandboxUnit, agent: GuestAgent): Promise<void> {
    const processes = await processesOf(agent, unit.record);
    for (const container of unit.record.containers) {
      const init = processes.find((process) => process.key.containerId === container.id && process.key.execId === undefined);
      await this.#meetContainer(unit, container, init);
    }
    for (const process of processes) {
      const container = unit.containers.get(process.key.containerId);
      if (process.key.execId !== undefined && container !== undefined) foundExec(this.#registry, container, process, process.key.execId);
    }
    this.#registry.unmet.met(unit.id);
  }

  async #meetContainer(unit: SandboxUnit, record: ContainerRecord, init: GuestProcess | undefined): Promise<void> {
    const container = unit.containers.get(record.id);
    if (container === undefined) return;
    if (record.state === 'creating' || record.state === 'deleting') {
      await this.#containers.discard(container);
      return;
    }
    container.inGuest = init !== undefined;
    if (record.state === 'exited') {
      this.#containers.foundExited(container);
      return;
    }
    if (init === undefined) {
      if (record.state !== 'created') await container.ended({ code: 255, signal: 0, oomKilled: false, atMs: this.#deps.clock.wallMs(), cause: 'UNKNOWN', detail: 'its guest no longer knows it' });
      return;
    }
    container.stdin.reset(init.stdinAccepted);
    if (init.pid === 0 && init.exit === undefined) return;
    // It was started while nobody could write that down.
    if (record.state === 'created') await unit.actor.commit({ target: 'container', id: record.id, kind: 'started', patch: { startedAtMs: this.#deps.clock.wallMs(), guestPid: init.pid } });
    if (init.exit === undefined) await this.#believe(unit, record, init.paused);
    await container.pump();
    if (record.state === 'stopping') this.#containers.finishStop(container);
  }

  /** It was paused, or let go on, while nobody could write that down. */
  async #believe(unit: SandboxUnit, record: ContainerRecord, paused: boolean): Promise<void> {
    if (record.state === 'running' && paused) await unit.actor.commit({ target: 'container', id: record.id, kind: 'paused' });
    if (record.state === 'paused' && !paused) await unit.actor.commit({ target: 'container', id: record.id, kind: 'resumed' });
  }

  async #ended(unit: SandboxUnit, cause: Cause, detail: string): Promise<void> {
    unit.log.warn({ cause }, `found ended: ${detail} (${shortId(unit.id)})`);
    await unit.actor.commit({ target: 'sandbox', kind: 'found-ended', patch: { cause, causeDetail: detail } });
    await unit.runEnded();
  }

  async #remove(unit: SandboxUnit, patch: Partial<SandboxRecord> = {}): Promise<void> {
    await unit.actor.commit({ target: 'sandbox', kind: 'force-delete-requested', patch });
    await unit.runEnded();
    if (unit.actor.gone) this.#registry.removeSandbox(unit);
  }
}
