import type { ContainerEventKind } from '../../core/machine/container-machine.ts';
import { CONTAINER_TABLE, type ContainerMachineState } from '../../core/machine/container-machine.ts';
import { DEVICE_TABLE, withoutVm, type DeviceEventKind, type DeviceMachineState } from '../../core/machine/device-machine.ts';
import { SANDBOX_TABLE, type SandboxEffect, type SandboxEventKind } from '../../core/machine/sandbox-machine.ts';
import { step } from '../../core/machine/table.ts';
import type { DeviceRecord } from '../../core/model/device-spec.ts';
import { DomainError } from '../../core/model/errors.ts';
import type { ContainerRecord, SandboxRecord } from '../../core/model/record.ts';
import { withCondition, withoutCondition } from './conditions.ts';
import type { PhaseTimer } from './phase-timer.ts';

/** How the run that a change starts (or ends) is to go. Never on disk. */
export interface RunOptions {
  /** The caller's; it counts until the run has succeeded. */
  readonly signal?: AbortSignal | undefined;
  readonly timer?: PhaseTimer;
  readonly graceMs?: number | undefined;
  readonly force?: boolean;
  /** Why the run under way is aborted. */
  readonly reason?: DomainError;
}

/** What happened, or is asked for, as a value: the only way to change a sandbox's record. */
export type Change =
  | { readonly target: 'sandbox'; readonly kind: SandboxEventKind; readonly patch?: Partial<SandboxRecord>; readonly run?: RunOptions }
  | { readonly target: 'container'; readonly id: string; readonly kind: ContainerEventKind; readonly patch?: Partial<ContainerRecord> }
  | { readonly target: 'new-container'; readonly container: ContainerRecord }
  | { readonly target: 'device'; readonly id: string; readonly kind: DeviceEventKind; readonly patch?: Partial<DeviceRecord> }
  | { readonly target: 'new-device'; readonly device: DeviceRecord }
  /** Facts that move no state. */
  | { readonly target: 'facts'; readonly what: 'labels'; readonly patch: Partial<SandboxRecord> }
  /** Begins, changes its words, or (without a message) ends. */
  | { readonly target: 'condition'; readonly name: string; readonly message: string | undefined; readonly atMs: number };

export type Outcome =
  | { readonly kind: 'ignored' }
  | { readonly kind: 'changed'; readonly record: SandboxRecord; readonly gone: boolean; readonly effects: readonly SandboxEffect[]; readonly container?: { readonly record: ContainerRecord; readonly before: ContainerMachineState; readonly gone: boolean }; readonly device?: { readonly record: DeviceRecord; readonly before: DeviceMachineState; readonly gone: boolean } };

/** Pure: record + change → record + effects. Throws WRONG_STATE, CONTAINER_NOT_FOUND or DEVICE_NOT_FOUND. First cause wins. */
export function apply(record: SandboxRecord, change: Change): Outcome {
  switch (change.target) {
    case 'sandbox':
      return sandboxChange(record, change.kind, change.patch ?? {});
    case 'container':
      return containerChange(record, change.id, change.kind, change.patch ?? {});
    case 'new-container':
      return newContainer(record, change.container);
    case 'device':
      return deviceChange(record, change.id, change.kind, change.patch ?? {});
    case 'new-device':
      return newDevice(record, change.device);
    case 'condition':
      return conditionChange(record, change);
    case 'facts':
      return { kind: 'changed', record: { ...record, ...change.patch, epoch: record.epoch + 1 }, gone: false, effects: [] };
  }
}

/** Conditions that end with the VM that they are about. */
const OF_A_VM: ReadonlySet<string> = new Set(['monitor_unreachable', 'agent_unreachable', 'recovery_failed']);
const WITHOUT_VM: ReadonlySet<SandboxRecord['state']> = new Set<SandboxRecord['state']>(['stopping', 'stopped', 'failed', 'deleting']);

function conditionChange(record: SandboxRecord, { name, message, atMs }: Change & { readonly target: 'condition' }): Outcome {
  // Told late of a VM that has ended.
  if (message !== undefined && OF_A_VM.has(name) && WITHOUT_VM.has(record.state)) return { kind: 'ignored' };
  const next = message === undefined ? withoutCondition(record, name) : withCondition(record, name, message, atMs);
  return next === record ? { kind: 'ignored' } : { kind: 'changed', record: { ...next, epoch: record.epoch + 1 }, gone: false, effects: [] };
}

function sandboxChange(record: SandboxRecord, kind: SandboxEventKind, patch: Partial<SandboxRecord>): Outcome {
  const next = step(SANDBOX_TABLE, record.state, kind);
  if (next.kind === 'ignored') return { kind: 'ignored' };
  if (next.kind === 'refused') throw wrongState(record, kind);
  const state = next.to === 'gone' ? record.state : next.to === 'ready' && record.started === true ? 'running' : next.to;
  const first = record.cause !== undefined && kind !== 'boot-requested' ? { cause: record.cause, causeDetail: withObstacle(record.causeDetail, state, patch.causeDetail) } : askedFor(kind, state, patch);
  const base = state === 'stopped' ? withoutCondition(record, ...OF_A_VM) : record;
  const started = state === 'running' ? true : kind === 'boot-requested' ? undefined : record.started;
  // A boot that fails for an end of its VM has its own words. Only here is it known whether the boot was over when its VM ended.
  const facts = state === 'creating' && (kind === 'vm-ended' || kind === 'share-ended') ? {} : patch;
  const devices = state === 'stopped' || state === 'failed' ? withoutVm(base.devices) : base.devices;
  return { kind: 'changed', record: { ...base, ...facts, ...first, state, started, devices, epoch: record.epoch + 1 }, gone: next.to === 'gone', effects: next.effects };
}

/** What resists, as end-runs.ts and boot-run.ts put it. */
const OBSTACLE = /; not (?:cleaned up|deleted|undone): .*$/s;

/** The first cause wins; of a sandbox that failed it is also told what is in the way now. */
function withObstacle(first: string, state: SandboxRecord['state'], obstacle: string | undefined): string {
  return state === 'failed' && obstacle?.startsWith('not ') === true ? `${first.replace(OBSTACLE, '')}; ${obstacle}` : first;
}

/** The end of a sandbox that nothing else has ended is its operator's wish, from the moment of the request: whatever ends meanwhile follows from that. */
function askedFor(kind: SandboxEventKind, state: SandboxRecord['state'], patch: Partial<SandboxRecord>): Partial<SandboxRecord> {
  const ends = kind.endsWith('-requested') && (state === 'stopping' || state === 'deleting');
  return ends && patch.cause === undefined ? { cause: 'OPERATOR_STOP', causeDetail: state === 'deleting' ? 'deleted' : 'stopped' } : {};
}

function newContainer(record: SandboxRecord, container: ContainerRecord): Outcome {
  if (record.state !== 'ready' && record.state !== 'running') {
    throw wrongState(record, 'create a container');
  }
  return {
    kind: 'changed',
    record: { ...record, containers: [...record.containers, container], epoch: record.epoch + 1 },
    gone: false,
    effects: [],
    container: { record: container, before: 'gone', gone: false },
  };
}

function containerChange(record: SandboxRecord, id: string, kind: ContainerEventKind, patch: Partial<ContainerRecord>): Outcome {
  const container = record.containers.find((candidate) => candidate.id === id);
  if (container === undefined) {
    throw new DomainError('CONTAINER_NOT_FOUND', `no container ${id} in sandbox ${record.name}`, { sandboxId: record.id, containerId: id });
  }
  const next = step(CONTAINER_TABLE, container.state, kind);
  if (next.kind === 'ignored') return { kind: 'ignored' };
  if (next.kind === 'refused') throw wrongContainerState(record, container, kind);
  const gone = next.to === 'gone';
  const changed: ContainerRecord = { ...container, ...patch, state: next.to === 'gone' ? container.state : next.to };
  const containers = gone ? record.containers.filter((other) => other !== container) : record.containers.map((other) => (other === container ? changed : other));
  // A container that starts makes a ready sandbox a running one, in the same step.
  const starts = changed.state === 'running' && record.state === 'ready';
  const moved = starts ? ({ state: 'running', started: true } as const) : {};
  return { kind: 'changed', record: { ...record, containers, ...moved, epoch: record.epoch + 1 }, gone: false, effects: [], container: { record: changed, before: container.state, gone } };
}

function newDevice(record: SandboxRecord, device: DeviceRecord): Outcome {
  if (record.state !== 'ready' && record.state !== 'running') throw wrongState(record, 'attach a device');
  const next = { ...record, devices: [...record.devices, device], epoch: record.epoch + 1 };
  return { kind: 'changed', record: next, gone: false, effects: [], device: { record: device, before: 'gone', gone: false } };
}

/** What happened to a device that is not known any more is old news; what is asked of it is refused. */
function deviceChange(record: SandboxRecord, id: string, kind: DeviceEventKind, patch: Partial<DeviceRecord>): Outcome {
  const device = record.devices.find((candidate) => candidate.id === id);
  if (device === undefined) {
    if (!kind.endsWith('-requested')) return { kind: 'ignored' };
    throw new DomainError('DEVICE_NOT_FOUND', `no device ${id} in sandbox ${record.name}`, { sandboxId: record.id, remedy: 'see what there is with "viv device ls"' });
  }
  const next = step(DEVICE_TABLE, device.state, kind);
  if (next.kind === 'ignored') return { kind: 'ignored' };
  if (next.kind === 'refused') {
    throw new DomainError('WRONG_STATE', `cannot ${words(kind)}: device ${id} is ${device.state}`, { sandboxId: record.id, remedy: 'try again in a moment', facts: { state: device.state } });
  }
  const gone = next.to === 'gone';
  const changed: DeviceRecord = { ...device, ...patch, state: next.to === 'gone' ? device.state : next.to };
  const devices = gone ? record.devices.filter((other) => other !== device) : record.devices.map((other) => (other === device ? changed : other));
  return { kind: 'changed', record: { ...record, devices, epoch: record.epoch + 1 }, gone: false, effects: [], device: { record: changed, before: device.state, gone } };
}

const REMEDIES: Partial<Record<SandboxRecord['state'], string>> = {
  creating: 'wait until it is ready, or delete it with force',
  ready: 'stop it first, or use force',
  running: 'stop it first, or use force',
  paused: 'resume it first',
  stopping: 'wait until it has stopped',
  stopped: 'start it first',
  failed: 'delete it; what remains is in its resources',
  deleting: 'it is on its way out',
  recovering: 'the daemon has just come back; try again in a moment',
};

const NOT_PAUSED = 'it is not paused: there is nothing to resume';

function words(kind: string): string {
  return kind.replace(/^force-/, '').replace(/-requested$/, '').replaceAll('-', ' ');
}

function wrongState(record: SandboxRecord, kind: string): DomainError {
  const reason = record.state === 'recovering' ? 'RECOVERING' : 'WRONG_STATE';
  const runs = record.state === 'ready' || record.state === 'running';
  const remedy = words(kind) === 'resume' && runs ? NOT_PAUSED : REMEDIES[record.state];
  return new DomainError(reason, `cannot ${words(kind)}: sandbox ${record.name} is ${record.state}`, {
    sandboxId: record.id,
    facts: { state: record.state },
    ...(remedy === undefined ? {} : { remedy }),
  });
}

function wrongContainerState(record: SandboxRecord, container: ContainerRecord, kind: string): DomainError {
  const running = container.state === 'running' || container.state === 'paused' || container.state === 'stopping';
  const usual = container.state === 'paused' ? 'unpause it first' : running ? 'stop it first, or use force' : 'start it first';
  const remedy = words(kind) === 'resume' && container.state === 'running' ? NOT_PAUSED : usual;
  return new DomainError('WRONG_STATE', `cannot ${words(kind)}: container ${container.name} is ${container.state}`, {
    sandboxId: record.id,
    containerId: container.id,
    remedy,
    facts: { state: container.state },
  });
}
