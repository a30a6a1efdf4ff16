import type { Cause } from './outcome.ts';

export type EventType =
  | 'SANDBOX_CREATING'
  | 'SANDBOX_READY'
  | 'SANDBOX_RUNNING'
  | 'SANDBOX_PAUSED'
  | 'SANDBOX_RESUMED'
  | 'SANDBOX_STOPPING'
  | 'SANDBOX_STOPPED'
  | 'SANDBOX_FAILED'
  | 'SANDBOX_DELETED'
  | 'SANDBOX_UPDATED'
  | 'SANDBOX_CONDITION'
  | 'CONTAINER_CREATED'
  | 'CONTAINER_STARTED'
  | 'CONTAINER_PAUSED'
  | 'CONTAINER_RESUMED'
  | 'CONTAINER_EXITED'
  | 'CONTAINER_DELETED'
  | 'CONTAINER_OOM'
  | 'EXEC_STARTED'
  | 'EXEC_EXITED'
  | 'DEVICE_ATTACHED'
  | 'DEVICE_DETACHED'
  | 'DEVICE_CHANGED'
  | 'DAEMON_STARTED'
  | 'RESOURCE_REAPED';

/** What watchers are told, after it is on disk. */
export interface DomainEvent {
  readonly type: EventType;
  readonly atMs: number;
  readonly sandboxId: string;
  readonly containerId: string;
  readonly name: string;
  readonly message: string;
  readonly cause?: Cause;
  readonly exitCode?: number;
  readonly attributes: Readonly<Record<string, string>>;
}
