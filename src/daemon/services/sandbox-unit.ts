import { deferred, linkSignals, raceSignal, reasonOf } from '../../base/abort.ts';
import { Gate } from '../../base/gate.ts';
import { Serial } from '../../base/serial.ts';
import type { SandboxEffect } from '../../core/machine/sandbox-machine.ts';
import { DomainError, toDomainError } from '../../core/model/errors.ts';
import type { Cause } from '../../core/model/outcome.ts';
import type { SandboxRecord } from '../../core/model/record.ts';
import type { AgentEvent } from '../../core/ports/agent.ts';
import type { HotplugQueue } from '../../core/ports/device.ts';
import type { ProcessEnd } from '../../core/ports/host.ts';
import type { VmEvent, VmSession } from '../../core/ports/hypervisor.ts';
import type { Share } from '../../core/ports/storage.ts';
import type { Logger } from '../../core/ports/telemetry.ts';
import { AgentHandle } from './agent-handle.ts';
import { judge, judgeProcess } from './cause-of-end.ts';
import type { RunOptions } from './change.ts';
import type { Deps } from './deps.ts';
import { DiskUnits } from './disk-units.ts';
import { SandboxActor } from './sandbox-actor.ts';
import { deviceTold, settleDevices } from './device-settle.ts';
import { SilenceLimit } from './silence-limit.ts';
import type { ContainerUnit } from './container-unit.ts';

/** A long piece of work on the whole sandbox; at most one at a time. */
export type Run = (unit: SandboxUnit, options: RunOptions, signal: AbortSignal) => Promise<void>;
export type Runs = Readonly<Record<Exclude<SandboxEffect, 'abort-run' | 'remove-record'>, Run>>;

const CONSOLE_TAIL_BYTES = 2048;
/** Between the end of a virtiofsd and that of the VMM that took it along, at most. */
const VM_END_MS = 300;

/** Of one that is over only its outcome is kept. */
interface LastRun {
  controller: AbortController | undefined;
  readonly done: Promise<void>;
}

/** One sandbox as it lives in this daemon: its actor, and what can't be written to disk (connections, processes, work under way). */
export class SandboxUnit {
  readonly deps: Deps;
  readonly actor: SandboxActor;
  readonly log: Logger;
  readonly containers = new Map<string, ContainerUnit>();
  readonly #runs: Runs;
  /** By the condition that tells of the silence. */
  readonly #silence: ReadonlyMap<string, SilenceLimit>;
  readonly #serial = new Serial();
  /** A pause of the VM waits for calls to its guest that are under way, and later calls wait for the pause. */
  readonly gate = new Gate();
  readonly hotplug: HotplugQueue;
  readonly diskUnits = new DiskUnits();
  /** Disks of root file systems come and go one at a time: one that a container leaves may be what the next needs. */
  readonly diskChanges = new Serial();
  /** Ports in which the VMM has something that no record knows: not to be given away. */
  strangeSlots: readonly number[] = [];
  #run: LastRun | undefined;
  #hint: { readonly cause: Cause; readonly detail: string } | undefined;
  session: VmSession | undefined;
  share: Share | undefined;
  agent: AgentHandle | undefined;
  /** Its control groups that were made; known from the step that makes them. */
  cgroups: readonly string[] = [];

  /** `stored`: its record as an earlier daemon left it. */
  constructor(deps: Deps, record: SandboxRecord, runs: Runs, stored?: SandboxRecord) {
    this.deps = deps;
    this.log = deps.log.child({ sandbox: record.id });
    this.actor = new SandboxActor(deps, record, stored);
    this.#runs = runs;
    this.hotplug = deps.hotplugQueue();
    this.#silence = new Map([
      ['monitor_unreachable', this.#silenceLimit('VMM_HUNG', record.profile.vmmHungTimeoutMs, 'its monitor')],
      ['agent_unreachable', this.#silenceLimit('AGENT_LOST', record.profile.agentLostTimeoutMs, "its guest's agent")],
    ]);
    this.actor.onEffect((effect, options) => { this.#onEffect(effect, options); });
  }

  get record(): SandboxRecord {
    return this.actor.record;
  }

  get id(): string {
    return this.record.id;
  }

  /** The outcome of the run that the last change started; resolves at once when there is none. */
  async runEnded(options: { signal?: AbortSignal | undefined } = {}): Promise<void> {
    const run = this.#run;
    if (run !== undefined) await raceSignal(run.done, options.signal);
  }

  /** Starts a run that no change asked for: the first boot. */
  async start(effect: keyof Runs, options: RunOptions): Promise<void> {
    this.#onEffect(effect, options);
    await this.runEnded();
  }

  /** Why it will have ended, said before its process does: the first word counts. */
  hint(cause: Cause, detail: string): void {
    this.#hint ??= { cause, detail };
  }

  clearHint(): void {
    this.#hint = undefined;
  }

  watchSession(session: VmSession): void {
    this.session = session;
    session.onEvent((event) => { this.#onVmEvent(session, event); });
    void session.ended.then((end) => this.#onVmEnded(session, end));
  }

  watchShare(share: Share): void {
    this.share = share;
    void share.ended.then((end) => this.#onShareEnded(share, end));
  }

  makeAgent(): AgentHandle {
    const { deps, record } = this;
    this.agent?.close();
    this.agent = new AgentHandle({
      clock: deps.clock,
      connector: deps.agents,
      watchHealth: deps.watchHealth,
      target: { kind: record.profile.agent, transport: 'virtio-serial', socketPath: deps.places.agentSocket(record.id), tokenFile: deps.places.tokenFile(record.id) },
      onEvent: (event) => { this.#onAgentEvent(event); },
      onReachable: (reachable, detail) => { void this.condition('agent_unreachable', reachable ? undefined : detail); },
    });
    return this.agent;
  }

  /** Sets or clears something that an operator should know. */
  async condition(name: string, message: string | undefined): Promise<void> {
    const limit = this.#silence.get(name);
    if (message === undefined) limit?.heard();
    else limit?.silent();
    const atMs = this.deps.clock.wallMs();
    await this.actor.commit({ target: 'condition', name, message, atMs }).catch((error: unknown) => { this.log.warn({ error }, 'condition not recorded'); });
  }

  /** Lets go of everything that lives; the VM goes on. */
  async release(): Promise<void> {
    this.#endListening();
    await Promise.all([...this.containers.values()].map((container) => container.release()));
    this.agent?.close();
    this.session?.release();
    this.share?.release();
    this.actor.release();
  }

  /** Forgets the VM's connections, to be found anew; the VM goes on. */
  letGo(): void {
    this.#endListening();
    this.agent?.close();
    this.session?.release();
    this.share?.release();
    [this.agent, this.session, this.share] = [undefined, undefined, undefined];
  }

  #onEffect(effect: SandboxEffect, options: RunOptions): void {
    if (effect === 'remove-record') return;
    if (effect === 'abort-run') {
      const reason = options.reason ?? new DomainError('CANCELLED', 'ended by a later request', { sandboxId: this.id, remedy: 'nothing: this is what the later request asked for' });
      this.#run?.controller?.abort(reason);
      return;
    }
    const controller = new AbortController();
    const done = this.#serial.run(async () => {
      using linked = linkSignals(controller.signal, options.signal);
      await this.#runs[effect](this, options, linked.signal);
    });
    const run: LastRun = { controller, done };
    this.#run = run;
    done.catch((error: unknown) => { this.log.warn({ error, run: effect }, 'run failed'); }).finally(() => { run.controller = undefined; });
  }

  #onVmEvent(session: VmSession, event: VmEvent): void {
    switch (event.kind) {
      case 'guest-shutdown':
        this.hint('GUEST_SHUTDOWN', event.reason);
        { this.#endVm(session); return; }
      case 'guest-reboot':
        this.hint('GUEST_REBOOT', 'the guest asked for a reboot');
        { this.#endVm(session); return; }
      case 'guest-panic':
        this.hint('GUEST_PANIC', event.detail);
        { this.#endVm(session); return; }
      case 'monitor-lost':
        void this.condition('monitor_unreachable', event.detail);
        return;
      case 'compared':
        if (event.differences.length > 0) this.log.warn({ differences: event.differences }, 'the VM is not what its record says');
        void this.condition('vm_differs', event.differences.length === 0 ? undefined : event.differences.join('; '));
        return;
      case 'monitor-back':
        void this.condition('monitor_unreachable', undefined);
        // What came meanwhile was not heard.
        settleDevices(this);
        return;
      case 'device-unplugged':
      case 'device-unplug-refused':
        deviceTold(this, event);
        return;
      case 'paused':
      case 'resumed':
        return;
    }
  }

  #silenceLimit(cause: Cause, limitMs: number, who: string): SilenceLimit {
    const counts = (): boolean => this.record.state === 'ready' || this.record.state === 'running';
    return new SilenceLimit({ clock: this.deps.clock, limitMs, counts, onLimit: () => {
      if (this.session === undefined) return;
      this.hint(cause, `${who} was silent for ${limitMs / 1000} s`);
      this.#endVm(this.session);
    } });
  }

  #endListening(): void {
    for (const limit of this.#silence.values()) limit.heard();
  }

  #endVm(session: VmSession): void {
    session.kill().catch((error: unknown) => { this.log.error({ error }, 'the VM could not be ended'); });
  }

  async #onVmEnded(session: VmSession, end: ProcessEnd): Promise<void> {
    if (this.session !== session) return;
    this.#endListening();
    // What was heard before the end; what is heard while the end is looked into follows from it.
    const hint = this.#hint;
    const consoleTail = await session.consoleTail(CONSOLE_TAIL_BYTES).catch(() => '');
    const { cause, detail } = hint ?? (await judgeProcess(this, end));
    const reason = new DomainError('VMM_EXITED', `the VM ended while it was being set up: ${detail}`, {
      sandboxId: this.id,
      remedy: 'see the VMM\'s last words and the console below',
      facts: { cause, stderr: end.stderrTail.slice(-CONSOLE_TAIL_BYTES), console: consoleTail },
    });
    await this.#report({ kind: 'vm-ended', cause, detail, consoleTail, reason });
  }

  async #onShareEnded(share: Share, end: ProcessEnd): Promise<void> {
    // A virtiofsd ends with its VM; the two ends are heard in any order.
    if (this.share !== share || (await this.#vmEndsToo())) return;
    const { cause, detail } = await judgeProcess(this, end, { cause: 'VIRTIOFSD_LOST', detail: `virtiofsd ended: ${judge(end).detail}` });
    if (this.share !== share) return;
    this.hint(cause, detail);
    await this.#report({ kind: 'share-ended', cause, detail, consoleTail: '', reason: new DomainError('HOST_RESOURCE', detail, { sandboxId: this.id, facts: { stderr: end.stderrTail.slice(-CONSOLE_TAIL_BYTES) } }) });
  }

  async #vmEndsToo(): Promise<boolean> {
    const alone = deferred<boolean>();
    const timer = this.deps.clock.timer(VM_END_MS, () => { alone.resolve(false); });
    const ended = await Promise.race([this.session?.ended.then(() => true) ?? alone.promise, alone.promise]);
    timer[Symbol.dispose]();
    return ended;
  }

  async #report(what: { kind: 'vm-ended' | 'share-ended'; cause: Cause; detail: string; consoleTail: string; reason: DomainError }): Promise<void> {
    const patch = { cause: what.cause, causeDetail: what.detail, consoleTail: what.consoleTail };
    await this.actor.commit({ target: 'sandbox', kind: what.kind, patch, run: { reason: what.reason } }).catch((error: unknown) => { this.log.error({ error }, 'end of the VM not recorded'); });
  }

  #onAgentEvent(event: AgentEvent): void {
    if (event.kind === 'lost') return;
    if (event.kind === 'created') {
      const unit = this.containers.get(event.containerId);
      if (unit !== undefined) unit.guestPid = event.pid;
      return;
    }
    const container = this.record.containers.find((candidate) => candidate.id === event.containerId);
    void this.deps.hub.publish({ type: 'CONTAINER_OOM', atMs: this.deps.clock.wallMs(), sandboxId: this.id, containerId: event.containerId, name: container?.name ?? '', message: 'a process was killed for want of memory in the guest', attributes: {} });
  }
}

/** The first reason to stop: the run's signal, else the error itself. */
export function firstReason(error: unknown, signal: AbortSignal): DomainError {
  return toDomainError(signal.aborted ? reasonOf(signal) : error);
}
