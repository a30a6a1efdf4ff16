import type { ContainerState } from '../model/record.ts';
import { to, type Table } from './table.ts';

/**
 * The life of a container.
 *
 *   (nothing) ──▶ creating ──▶ created ──▶ running ◀──▶ paused
 *                    │            │           │            │
 *                    ▼            │           ▼ stopping   │
 *                (nothing)        │           ▼            │
 *                    ▲            └──────▶ exited ◀────────┘
 *                    └──── deleting ◀─────────┘
 *
 * A container that exited is started anew by a Start of its sandbox or of itself: its guest side is made again (exited ──▶ running).
 */
export type ContainerMachineState = ContainerState | 'gone';

export type ContainerEventKind =
  | 'created'
  | 'create-failed'
  | 'start-requested'
  | 'started'
  | 'start-failed'
  | 'stop-requested'
  /** It could not be asked to stop: it runs on. */
  | 'stop-failed'
  | 'kill-requested'
  | 'pause-requested'
  | 'paused'
  | 'resume-requested'
  | 'resumed'
  | 'exited'
  | 'delete-requested'
  | 'force-delete-requested'
  | 'deleted'
  | 'exec-requested';

const NOTHING = {
  created: 'ignore',
  'create-failed': 'ignore',
  'start-requested': 'refuse',
  started: 'ignore',
  'start-failed': 'ignore',
  'stop-requested': 'refuse',
  'stop-failed': 'ignore',
  'kill-requested': 'refuse',
  'pause-requested': 'refuse',
  paused: 'ignore',
  'resume-requested': 'refuse',
  resumed: 'ignore',
  exited: 'ignore',
  'delete-requested': 'refuse',
  'force-delete-requested': 'refuse',
  deleted: 'ignore',
  'exec-requested': 'refuse',
} as const;

const ENDS = { exited: to<ContainerMachineState, never>('exited'), 'force-delete-requested': to<ContainerMachineState, never>('deleting') } as const;

export const CONTAINER_TABLE: Table<ContainerMachineState, ContainerEventKind, never> = {
  creating: { ...NOTHING, created: to('created'), 'create-failed': to('gone'), exited: to('exited'), 'force-delete-requested': to('deleting') },
  created: { ...NOTHING, ...ENDS, 'start-requested': to('created'), started: to('running'), 'start-failed': to('exited'), 'stop-requested': to('exited'), 'delete-requested': to('deleting') },
  running: { ...NOTHING, ...ENDS, 'start-requested': 'ignore', started: 'ignore', 'stop-requested': to('stopping'), 'kill-requested': to('running'), 'pause-requested': to('running'), paused: to('paused'), 'exec-requested': to('running') },
  paused: { ...NOTHING, ...ENDS, 'stop-requested': to('stopping'), 'kill-requested': to('paused'), 'pause-requested': 'ignore', 'resume-requested': to('paused'), resumed: to('running') },
  stopping: { ...NOTHING, ...ENDS, 'stop-requested': to('stopping'), 'stop-failed': to('running'), 'kill-requested': to('stopping') },
  exited: { ...NOTHING, 'start-requested': to('exited'), started: to('running'), 'start-failed': to('exited'), 'stop-requested': 'ignore', 'delete-requested': to('deleting'), 'force-delete-requested': to('deleting') },
  deleting: { ...NOTHING, exited: 'ignore', 'stop-requested': 'ignore', 'delete-requested': 'ignore', 'force-delete-requested': 'ignore', deleted: to('gone') },
  unknown: { ...NOTHING, exited: to('exited'), started: to('running'), paused: to('paused'), 'delete-requested': to('deleting'), 'force-delete-requested': to('deleting') },
  gone: { ...NOTHING },
};
