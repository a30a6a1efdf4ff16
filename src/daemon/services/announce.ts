import type { DomainEvent, EventType } from '../../core/model/events.ts';
import type { ContainerRecord, SandboxRecord } from '../../core/model/record.ts';
import type { Change, Outcome } from './change.ts';

const SANDBOX_STATES: Partial<Record<SandboxRecord['state'], EventType>> = {
  creating: 'SANDBOX_CREATING',
  ready: 'SANDBOX_READY',
  running: 'SANDBOX_RUNNING',
  paused: 'SANDBOX_PAUSED',
  stopping: 'SANDBOX_STOPPING',
  stopped: 'SANDBOX_STOPPED',
  failed: 'SANDBOX_FAILED',
};

const CONTAINER_STATES: Partial<Record<ContainerRecord['state'], EventType>> = {
  created: 'CONTAINER_CREATED',
  running: 'CONTAINER_STARTED',
  paused: 'CONTAINER_PAUSED',
  exited: 'CONTAINER_EXITED',
};

/** What watchers are told of a change that is on disk now. Pure. Two events when a container's start makes its sandbox a running one. */
export function announcements(before: SandboxRecord, change: Change, outcome: Outcome, atMs: number): readonly DomainEvent[] {
  if (outcome.kind === 'ignored') return [];
  if (outcome.device !== undefined) return deviceEvents(outcome.record, outcome.device, atMs);
  const type = eventType(before, change, outcome);
  const first = type === undefined ? [] : [event(type, outcome.record, outcome.container?.record, atMs)];
  const runs = outcome.container !== undefined && before.state === 'ready' && outcome.record.state === 'running';
  const running = runs ? [event('SANDBOX_RUNNING', outcome.record, undefined, atMs)] : [];
  return [...first, ...running, ...conditionEvents(before, outcome.record, atMs)];
}

/** One for each condition that began, changed its words or ended. */
export function conditionEvents(before: SandboxRecord, now: SandboxRecord, atMs: number): readonly DomainEvent[] {
  if (before.conditions === now.conditions) return [];
  const began = now.conditions.filter(({ name, message }) => !before.conditions.some((other) => other.name === name && other.message === message));
  const ended = before.conditions.filter(({ name }) => !now.conditions.some((other) => other.name === name));
  const tell = (name: string, message: string, active: boolean): DomainEvent => ({
    type: 'SANDBOX_CONDITION', atMs, sandboxId: now.id, containerId: '', name: now.name, message, attributes: { condition: name, active: String(active) },
  });
  return [...began.map(({ name, message }) => tell(name, message, true)), ...ended.map(({ name }) => tell(name, `${name} is over`, false))];
}

/** One that was never attached and is gone again was never there for anybody but its caller, who is told. */
function deviceEvents(record: SandboxRecord, { record: device, before, gone }: NonNullable<(Outcome & { kind: 'changed' })['device']>, atMs: number): readonly DomainEvent[] {
  if (device.state === before && !gone) return [];
  const type = gone ? 'DEVICE_DETACHED' : device.state === 'attached' ? 'DEVICE_ATTACHED' : 'DEVICE_CHANGED';
  if (before === 'gone' || (gone && device.attachedAtMs === undefined)) return [];
  const attributes = { device: device.id, state: gone ? 'gone' : device.state, path: device.host.path };
  return [{ type, atMs, sandboxId: record.id, containerId: '', name: record.name, message: device.detail, attributes }];
}

function event(type: EventType, record: SandboxRecord, container: ContainerRecord | undefined, atMs: number): DomainEvent {
  const cause = container === undefined ? record.cause : container.exit?.cause;
  return {
    type,
    atMs,
    sandboxId: record.id,
    containerId: container?.id ?? '',
    name: container?.name ?? record.name,
    message: container === undefined ? record.causeDetail : (container.exit?.detail ?? ''),
    ...(cause === undefined ? {} : { cause }),
    ...(container?.exit === undefined ? {} : { exitCode: container.exit.code }),
    attributes: container === undefined ? {} : { image: container.image },
  };
}

function eventType(before: SandboxRecord, change: Change, outcome: Outcome & { kind: 'changed' }): EventType | undefined {
  if (change.target === 'facts') return 'SANDBOX_UPDATED';
  if (outcome.container !== undefined) return containerEvent(outcome.container);
  if (outcome.gone) return 'SANDBOX_DELETED';
  if (outcome.record.state === before.state) return undefined;
  if (before.state === 'paused' && (outcome.record.state === 'ready' || outcome.record.state === 'running')) return 'SANDBOX_RESUMED';
  return SANDBOX_STATES[outcome.record.state];
}

function containerEvent(container: NonNullable<(Outcome & { kind: 'changed' })['container']>): EventType | undefined {
  if (container.gone) return container.before === 'deleting' ? 'CONTAINER_DELETED' : undefined;
  if (container.record.state === container.before) return undefined;
  if (container.before === 'paused' && container.record.state === 'running') return 'CONTAINER_RESUMED';
  return CONTAINER_STATES[container.record.state];
}
