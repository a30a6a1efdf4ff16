import { Cause as CauseValue } from '../../gen/vivarium/v1/common.ts';
import type { Cause as CauseMessage } from '../../gen/vivarium/v1/common.ts';
import { ContainerState as ContainerStateValue, OutputStream, RootfsMode as RootfsModeValue } from '../../gen/vivarium/v1/container.ts';
import { EventType as EventTypeValue } from '../../gen/vivarium/v1/event.ts';
import { AuditState as AuditStateValue, CheckStatus } from '../../gen/vivarium/v1/host.ts';
import { SandboxState as SandboxStateValue } from '../../gen/vivarium/v1/sandbox.ts';
import type { RootfsMode } from '../../core/model/container-rootfs.ts';
import type { EventType } from '../../core/model/events.ts';
import type { Cause } from '../../core/model/outcome.ts';
import type { ContainerState, SandboxState } from '../../core/model/record.ts';
import type { AuditState } from '../services/audit-compare.ts';

/** Model word → wire number. Each table is total by its type: a new word does not compile without its number. */
export const SANDBOX_STATES = {
  creating: SandboxStateValue.SANDBOX_STATE_CREATING,
  ready: SandboxStateValue.SANDBOX_STATE_READY,
  running: SandboxStateValue.SANDBOX_STATE_RUNNING,
  paused: SandboxStateValue.SANDBOX_STATE_PAUSED,
  stopping: SandboxStateValue.SANDBOX_STATE_STOPPING,
  stopped: SandboxStateValue.SANDBOX_STATE_STOPPED,
  failed: SandboxStateValue.SANDBOX_STATE_FAILED,
  deleting: SandboxStateValue.SANDBOX_STATE_DELETING,
  recovering: SandboxStateValue.SANDBOX_STATE_RECOVERING,
} as const satisfies Record<SandboxState, number>;

export const CONTAINER_STATES = {
  creating: ContainerStateValue.CONTAINER_STATE_CREATING,
  created: ContainerStateValue.CONTAINER_STATE_CREATED,
  running: ContainerStateValue.CONTAINER_STATE_RUNNING,
  paused: ContainerStateValue.CONTAINER_STATE_PAUSED,
  stopping: ContainerStateValue.CONTAINER_STATE_STOPPING,
  exited: ContainerStateValue.CONTAINER_STATE_EXITED,
  deleting: ContainerStateValue.CONTAINER_STATE_DELETING,
  unknown: ContainerStateValue.CONTAINER_STATE_UNKNOWN,
} as const satisfies Record<ContainerState, number>;

export const ROOTFS_MODES = {
  auto: RootfsModeValue.ROOTFS_MODE_AUTO,
  block: RootfsModeValue.ROOTFS_MODE_BLOCK,
  virtiofs: RootfsModeValue.ROOTFS_MODE_VIRTIOFS,
  '9p': RootfsModeValue.ROOTFS_MODE_9P,
  none: RootfsModeValue.ROOTFS_MODE_NONE,
} as const satisfies Record<RootfsMode, number>;

export const OUTPUT_STREAMS = { stdout: OutputStream.OUTPUT_STREAM_STDOUT, stderr: OutputStream.OUTPUT_STREAM_STDERR } as const;

export const AUDIT_STATES = {
  owned: AuditStateValue.AUDIT_STATE_OWNED,
  'in-flight': AuditStateValue.AUDIT_STATE_IN_FLIGHT,
  pending: AuditStateValue.AUDIT_STATE_PENDING,
  orphaned: AuditStateValue.AUDIT_STATE_ORPHANED,
  missing: AuditStateValue.AUDIT_STATE_MISSING,
  unreadable: AuditStateValue.AUDIT_STATE_UNREADABLE,
} as const satisfies Record<AuditState, number>;

export const CHECK_STATUSES = { ok: CheckStatus.CHECK_STATUS_OK, warn: CheckStatus.CHECK_STATUS_WARN, fail: CheckStatus.CHECK_STATUS_FAIL } as const;

/** The wire's name is the model's with a prefix. `undefined` is UNSPECIFIED. */
export function causeToWire(cause: Cause | undefined): CauseMessage {
  return cause === undefined ? CauseValue.CAUSE_UNSPECIFIED : CauseValue[`CAUSE_${cause}`];
}

export function eventTypeToWire(type: EventType): EventTypeValue {
  return EventTypeValue[`EVENT_TYPE_${type}`];
}

const SANDBOX_STATE_WORDS = inverse(SANDBOX_STATES);
const CONTAINER_STATE_WORDS = inverse(CONTAINER_STATES);
const ROOTFS_MODE_WORDS = inverse(ROOTFS_MODES);
const EVENT_TYPE_WORDS: ReadonlyMap<number, EventType> = new Map(
  Object.entries(EventTypeValue)
    .filter(([name, value]) => name.startsWith('EVENT_TYPE_') && value > 0)
    .map(([name, value]) => [value, name.slice('EVENT_TYPE_'.length) as EventType]),
);

/** `auto` for UNSPECIFIED, undefined for numbers that this version does not know. */
export function rootfsModeFromWire(value: number): RootfsMode | undefined {
  return value === RootfsModeValue.ROOTFS_MODE_UNSPECIFIED ? 'auto' : ROOTFS_MODE_WORDS.get(value);
}

/** Undefined for UNSPECIFIED and for numbers that this version does not know. */
export function sandboxStateFromWire(value: number): SandboxState | undefined {
  return SANDBOX_STATE_WORDS.get(value);
}

export function containerStateFromWire(value: number): ContainerState | undefined {
  return CONTAINER_STATE_WORDS.get(value);
}

export function eventTypeFromWire(value: number): EventType | undefined {
  return EVENT_TYPE_WORDS.get(value);
}

function inverse<Word extends string>(table: Readonly<Record<Word, number>>): ReadonlyMap<number, Word> {
  return new Map((Object.entries(table) as [Word, number][]).map(([word, value]) => [value, word]));
}
