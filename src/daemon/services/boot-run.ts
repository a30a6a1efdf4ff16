import { UndoStack } from '../../base/async-stack.ts';
import { deadline, linkSignals, raceSignal, throwIfAborted } from '../../base/abort.ts';
import type { CreateStep } from '../../core/machine/create-plan.ts';
import { DomainError, toDomainError, type ErrorReason } from '../../core/model/errors.ts';
import type { Cause, Mode } from '../../core/model/outcome.ts';
import type { SandboxRecord } from '../../core/model/record.ts';
import type { GuestInfo } from '../../core/ports/agent.ts';
import type { RunOptions } from './change.ts';
import { releaseAll, replug } from './device-runs.ts';
import { cgroupFiles, cgroupPlaces, removeCgroups } from './sandbox-cgroups.ts';
import { guestDeath } from './guest-death.ts';
import { planFor } from './new-sandbox.ts';
import { PhaseTimer } from './phase-timer.ts';
import { PlanRun } from './plan-run.ts';
import { firstReason, type SandboxUnit } from './sandbox-unit.ts';
import { sharePlace } from './share-place.ts';

/** Guest path of the share, as the kata agent's protocol has it. */
const GUEST_SHARE = '/run/kata-containers/shared/containers/';
const CONSOLE_TAIL_BYTES = 2048;
/** What is looked through for a cause; a kernel's call trace is about 2 KiB long and stands behind it. */
const CONSOLE_LOOK_BYTES = 16 * 1024;
/** Of its own, not the caller's: an undo is never cut short because the caller went away. */
const UNDO_DEADLINE_MS = 30_000;
/** A VMM's end is heard from its launcher this much later than from its sockets, at most. */
const VMM_END_MS = 500;
/** What a VM's end looks like from the sockets that it held. */
const BROKEN_OFF: ReadonlySet<ErrorReason> = new Set<ErrorReason>(['AGENT_UNREACHABLE', 'AGENT_PROTOCOL', 'HOST_RESOURCE']);

interface StepContext {
  readonly unit: SandboxUnit;
  readonly signal: AbortSignal;
  readonly timer: PhaseTimer;
  guest: GuestInfo | undefined;
}

interface StepExecutor {
  readonly run: (context: StepContext) => Promise<void>;
  /** Any number of times, in any half-made state. */
  readonly undo: (unit: SandboxUnit) => Promise<void>;
}

/** One executor a step of the plan: a step without one does not compile. */
const STEPS: Readonly<Record<CreateStep, StepExecutor>> = {
  directories: {
    run: async ({ unit: { deps, id } }) => {
      await deps.directories.make(deps.places.runDir(id));
      await deps.directories.make(deps.places.trashDir);
    },
    undo: async ({ deps, id }) => deps.directories.remove(deps.places.runDir(id)),
  },
  cgroup: {
    run: async ({ unit }) => {
      unit.cgroups = await unit.deps.cgroups.make(cgroupPlaces(unit));
    },
    undo: removeCgroups,
  },
  share: {
    run: async ({ unit, signal }) => {
      unit.watchShare(await unit.deps.shares.start(sharePlace(unit), { signal }));
    },
    undo: async (unit) => {
      unit.share = undefined;
      await unit.deps.shares.remove(sharePlace(unit));
    },
  },
  vmm: {
    run: async ({ unit, signal, timer }) => {
      const { vmSpec } = unit.record;
      if (vmSpec === undefined) throw new DomainError('INTERNAL', 'the record has no machine', { sandboxId: unit.id });
      unit.clearHint();
      unit.watchSession(await unit.deps.hypervisor.launch(vmSpec, { signal, cgroups: cgroupFiles(unit), onPhase: (name, began, ended) => { timer.add(name, began, ended); } }));
    },
    undo: async (unit) => {
      await endVm(unit);
      await releaseAll(unit);
    },
  },
  agent: {
    run: async ({ unit, signal }) => {
      await unit.makeAgent().connect(unit.record.profile.bootTimeoutMs, { signal });
    },
    undo: async (unit) => {
      unit.agent?.close();
      unit.agent = undefined;
    },
  },
  guest: {
    run: async (context) => {
      const { unit, signal } = context;
      const agent = await (unit.agent ?? unit.makeAgent()).get({ signal });
      const { spec, profile, id } = unit.record;
      await agent.setTime(unit.deps.clock.wallMs(), { signal });
      await agent.createSandbox(
        {
          sandboxId: id,
          hostname: spec.hostname === '' ? id.slice(-10) : spec.hostname,
          dns: [...spec.dns.servers.map((server) => `nameserver ${server}`), ...lines('search', spec.dns.searches), ...lines('options', spec.dns.options)],
          storages: profile.sharedFs === 'virtiofs' ? [{ driver: 'virtio-fs', source: 'kataShared', fstype: 'virtiofs', options: [], mountPoint: GUEST_SHARE }] : [],
          sharedPidNamespace: spec.sharedPidNamespace,
          guestHookPath: profile.guestHookPath,
        },
        { signal },
      );
      context.guest = await agent.info({ signal });
    },
    undo: async () => undefined,
  },
  devices: {
    run: async ({ unit, signal, timer }) => { await replug(unit, timer, { signal }); },
    // They go with the VM, and what they stood on right after it; their records with its state.
    undo: async () => undefined,
  },
};

function lines(keyword: string, words: readonly string[]): readonly string[] {
  return words.length === 0 ? [] : [`${keyword} ${words.join(' ')}`];
}

/** Ends the VM, known to this daemon or only to its launcher. */
export async function endVm(unit: SandboxUnit): Promise<void> {
  const { session } = unit;
  if (session !== undefined) {
    await session.kill();
    unit.session = undefined;
    return;
  }
  const orphan = await unit.deps.launcher.adopt(`${unit.deps.places.runDir(unit.id)}/vmm`);
  if (orphan === undefined) return;
  await orphan.signal(9);
  await orphan.ended;
}

/** Brings a VM up, for a new sandbox or a stopped one, and reports how it went. Rejects with the first reason when it failed. */
export async function bootRun(unit: SandboxUnit, options: RunOptions, signal: AbortSignal): Promise<void> {
  const timer = options.timer ?? new PhaseTimer(unit.deps.clock);
  const { deps, record } = unit;
  const plan = planFor(deps, unit.id, record.profile, record.devices.length);
  const undo = new UndoStack();
  using limit = deadline({
    ms: record.profile.createTimeoutMs,
    timer: (ms, callback) => deps.clock.timer(ms, callback),
    reason: () => new DomainError('DEADLINE', `the sandbox was not ready after ${record.profile.createTimeoutMs} ms`, { sandboxId: unit.id, remedy: 'raise create_timeout in the profile, or see in the phases what took so long' }),
    signals: [signal],
  });
  const run = new PlanRun(unit, record.readyAtMs === undefined ? 'create' : 'boot', timer);
  const context: StepContext = { unit, signal: limit.signal, timer, guest: undefined };
  try {
    for (const name of plan.steps) {
      throwIfAborted(limit.signal);
      undo.defer(() => STEPS[name].undo(unit));
      await run.step(name, () => STEPS[name].run(context), { signal: limit.signal });
    }
    throwIfAborted(limit.signal);
    await succeeded(unit, context);
    undo.move();
  } catch (error) {
    const reason = await explain(unit, await firstCause(unit, firstReason(error, limit.signal), limit.signal));
    await undone(unit, undo, reason);
    throw reason;
  }
}

async function succeeded(unit: SandboxUnit, context: StepContext): Promise<void> {
  const phases = context.timer.finish();
  for (const phase of phases) unit.deps.metrics.phase('create', phase.name, phase.durationMs / 1000);
  const patch: Partial<SandboxRecord> = {
    vm: unit.session?.ref,
    mode: modeOf(unit, context.guest),
    guest: context.guest,
    phases,
    readyAtMs: unit.deps.clock.wallMs(),
    bootId: unit.deps.bootId,
    // What the host refused to make is not claimed.
    resources: unit.record.resources.filter(({ kind, name }) => kind !== 'cgroup' || unit.cgroups.includes(name)),
    cause: undefined,
    causeDetail: '',
    consoleTail: '',
    finishedAtMs: undefined,
  };
  const record = await unit.actor.commit({ target: 'sandbox', kind: 'create-succeeded', patch });
  if (record.state !== 'ready') throw new DomainError('CANCELLED', 'the sandbox was deleted while it was being created', { sandboxId: unit.id });
}

export function modeOf(unit: SandboxUnit, guest: GuestInfo | undefined): Mode | undefined {
  const { session, record } = unit;
  if (session === undefined) return undefined;
  return { ...session.mode, agent: record.profile.agent, agentVersion: guest?.agentVersion ?? '', rootfs: record.profile.sharedFs, guest: record.profile.guest, profile: record.profile.name };
}

/** A guest that fell silent because its VM died is told as the VM's death, which is heard a moment later. */
async function firstCause(unit: SandboxUnit, reason: DomainError, signal: AbortSignal): Promise<DomainError> {
  if (!BROKEN_OFF.has(reason.reason) || unit.session === undefined || signal.aborted) return reason;
  const over = new AbortController();
  const timer = unit.deps.clock.timer(VMM_END_MS, () => { over.abort(reason); });
  using both = linkSignals(signal, over.signal);
  try {
    // The unit hears the same end and aborts the run with what it died of.
    return await raceSignal(new Promise<never>(() => undefined), both.signal);
  } catch (error) {
    return toDomainError(error);
  } finally {
    timer[Symbol.dispose]();
  }
}

/** A boot that failed is told with what its console said, and with what the guest died of when the console shows that. */
async function explain(unit: SandboxUnit, reason: DomainError): Promise<DomainError> {
  const seen = (await unit.session?.consoleTail(CONSOLE_LOOK_BYTES).catch(() => '')) ?? '';
  const console = reason.details.facts?.['console'] ?? seen.slice(-CONSOLE_TAIL_BYTES);
  if (console === '') return reason.within({ sandboxId: unit.id });
  const death = reason.reason === 'CANCELLED' ? undefined : guestDeath(reason, seen, unit.record.profile.memoryBytes);
  const { remedy = reason.details.remedy } = death ?? {};
  const details = { ...reason.details, sandboxId: unit.id, facts: { ...reason.details.facts, console }, cause: reason };
  return new DomainError(reason.reason, death?.message ?? withLastLine(reason, console), { ...details, ...(remedy === undefined ? {} : { remedy }) });
}

function withLastLine(reason: DomainError, console: string): string {
  const showsBoot = reason.reason === 'BOOT_TIMEOUT' || reason.reason === 'DEADLINE' || reason.reason.startsWith('AGENT');
  return showsBoot ? `${reason.message}; the console's last line: ${lastLine(console)}` : reason.message;
}

function lastLine(text: string): string {
  return text.trimEnd().split('\n').at(-1)?.trim() ?? '';
}

async function undone(unit: SandboxUnit, undo: UndoStack, reason: DomainError): Promise<void> {
  const { actor, deps, log } = unit;
  const cause: Cause = reason.reason === 'BOOT_TIMEOUT' ? 'BOOT_TIMEOUT' : reason.reason === 'CANCELLED' ? 'OPERATOR_STOP' : 'RESOURCE_FAILURE';
  const patch: Partial<SandboxRecord> = { cause, causeDetail: reason.message, finishedAtMs: deps.clock.wallMs(), consoleTail: reason.details.facts?.['console'] ?? '' };
  using limit = deadline({ ms: UNDO_DEADLINE_MS, timer: (ms, callback) => deps.clock.timer(ms, callback), reason: () => new Error(`undo not over after ${UNDO_DEADLINE_MS} ms`) });
  const first = unit.record.readyAtMs === undefined;
  try {
    await raceSignal(undo[Symbol.asyncDispose](), limit.signal);
    await actor.commit({ target: 'sandbox', kind: first ? 'create-failed' : 'boot-failed', patch });
  } catch (error) {
    log.error({ error }, 'a failed create could not be undone whole');
    await actor.commit({ target: 'sandbox', kind: 'create-stuck', patch: { ...patch, causeDetail: `${reason.message}; not undone: ${toDomainError(error).message}` } });
  }
}
