import type { SandboxState } from '../model/record.ts';
import { to, type Table } from './table.ts';

/**
 * The life of a sandbox.
 *
 *                 create-requested                stop-requested, vm-ended
 *   (nothing) ──▶ creating ──▶ ready ◀──▶ running ─────────▶ stopping ──▶ stopped
 *                  │  ▲          │  ▲        │                   │          │  │
 *         failed   │  │          ▼  │        │                   │          │  │
 *         clean ▼  │  │         paused ◀─────┘                   │          │  │
 *        (nothing) │  └──────────────── boot-requested ──────────┼──────────┘  │
 *                  ▼                                             ▼             ▼
 *                failed ◀───────────── could not be undone ── deleting ──▶ (nothing)
 *
 * A daemon that comes back finds each sandbox `recovering` until it has asked the VM. `gone` is never on disk.
 */
export type MachineState = SandboxState | 'gone';

export type SandboxEventKind =
  | 'create-succeeded'
  /** Everything was undone. */
  | 'create-failed'
  | 'boot-failed'
  | 'create-stuck'
  | 'pause-requested'
  | 'paused'
  | 'resume-requested'
  | 'resumed-ready'
  | 'resumed-running'
  /** A Start is over: whatever had to be launched was. */
  | 'started'
  | 'stop-requested'
  | 'boot-requested'
  | 'delete-requested'
  | 'force-delete-requested'
  /** The VM's process has ended, whoever ended it. */
  | 'vm-ended'
  /** Its virtiofsd has ended; the guest's files are gone. */
  | 'share-ended'
  | 'cleaned'
  | 'clean-stuck'
  | 'deleted'
  | 'delete-stuck'
  | 'found-ready'
  | 'found-running'
  | 'found-paused'
  | 'found-ended';

export type SandboxEffect =
  | 'abort-run'
  | 'run-boot'
  | 'run-pause'
  | 'run-resume'
  | 'run-stop'
  | 'run-clean'
  | 'run-delete'
  | 'remove-record';

const REFUSE_ALL = {
  'create-succeeded': 'ignore',
  'create-failed': 'ignore',
  'boot-failed': 'ignore',
  'create-stuck': 'ignore',
  'pause-requested': 'refuse',
  paused: 'ignore',
  'resume-requested': 'refuse',
  'resumed-ready': 'ignore',
  'resumed-running': 'ignore',
  started: 'ignore',
  'stop-requested': 'refuse',
  'boot-requested': 'refuse',
  'delete-requested': 'refuse',
  'force-delete-requested': 'refuse',
  'vm-ended': 'ignore',
  'share-ended': 'ignore',
  cleaned: 'ignore',
  'clean-stuck': 'ignore',
  deleted: 'ignore',
  'delete-stuck': 'ignore',
  'found-ready': 'ignore',
  'found-running': 'ignore',
  'found-paused': 'ignore',
  'found-ended': 'ignore',
} as const;

const ALIVE = {
  ...REFUSE_ALL,
  'stop-requested': to('stopping', 'run-stop'),
  'force-delete-requested': to('deleting', 'abort-run', 'run-delete'),
  'vm-ended': to('stopping', 'run-clean'),
  'share-ended': to('stopping', 'run-clean'),
} as const;

export const SANDBOX_TABLE: Table<MachineState, SandboxEventKind, SandboxEffect> = {
  creating: {
    ...REFUSE_ALL,
    'create-succeeded': to('ready'),
    'create-failed': to('gone', 'remove-record'),
    'boot-failed': to('stopped'),
    'create-stuck': to('failed'),
    // The run is told; what it then reports decides.
    'stop-requested': to('creating', 'abort-run'),
    'force-delete-requested': to('deleting', 'abort-run', 'run-delete'),
    'vm-ended': to('creating', 'abort-run'),
    'share-ended': to('creating', 'abort-run'),
  },
  ready: { ...ALIVE, started: to('running'), 'pause-requested': to('ready', 'run-pause'), paused: to('paused') },
  running: { ...ALIVE, 'pause-requested': to('running', 'run-pause'), paused: to('paused') },
  paused: { ...ALIVE, 'pause-requested': 'ignore', 'resume-requested': to('paused', 'run-resume'), 'resumed-ready': to('ready'), 'resumed-running': to('running') },
  stopping: {
    ...REFUSE_ALL,
    'stop-requested': 'ignore',
    'force-delete-requested': to('deleting', 'abort-run', 'run-delete'),
    'delete-requested': to('deleting', 'run-delete'),
    cleaned: to('stopped'),
    'clean-stuck': to('failed'),
  },
  stopped: {
    ...REFUSE_ALL,
    'stop-requested': 'ignore',
    'boot-requested': to('creating', 'run-boot'),
    'delete-requested': to('deleting', 'run-delete'),
    'force-delete-requested': to('deleting', 'run-delete'),
  },
  failed: {
    ...REFUSE_ALL,
    'stop-requested': 'ignore',
    'delete-requested': to('deleting', 'run-delete'),
    'force-delete-requested': to('deleting', 'run-delete'),
  },
  deleting: {
    ...REFUSE_ALL,
    'stop-requested': 'ignore',
    'delete-requested': 'ignore',
    'force-delete-requested': 'ignore',
    deleted: to('gone', 'remove-record'),
    'delete-stuck': to('failed'),
  },
  recovering: {
    ...REFUSE_ALL,
    'found-ready': to('ready'),
    'found-running': to('running'),
    'found-paused': to('paused'),
    'found-ended': to('stopping', 'run-clean'),
    // It was found, and ended before it was known.
    'vm-ended': to('stopping', 'run-clean'),
    'share-ended': to('stopping', 'run-clean'),
    'force-delete-requested': to('deleting', 'abort-run', 'run-delete'),
  },
  gone: { ...REFUSE_ALL, 'stop-requested': 'ignore', 'delete-requested': 'ignore', 'force-delete-requested': 'ignore' },
};
