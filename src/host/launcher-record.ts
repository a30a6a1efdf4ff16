import { DomainError } from '../core/model/errors.ts';
import type { ProcessIdentity } from '../core/model/ledger.ts';

/** What a launcher tells of its process (docs/protocols/launcher.md, "record"), as far as we use it. Unknown keys are ignored. */
export interface LauncherRecord {
  readonly state: 'starting' | 'running' | 'exited' | 'failed';
  readonly launcherPid: number;
  /** Undefined before the child was started. */
  readonly identity: ProcessIdentity | undefined;
  readonly exitedAtMs: number;
  readonly exitCode: number | undefined;
  readonly signal: number | undefined;
  readonly cpuMs: number;
  readonly maxRssKib: number;
  readonly error: LauncherFailure | undefined;
}

export interface LauncherFailure {
  readonly code: string;
  readonly message: string;
}

/** The file is this long, and a line of the same content no longer. */
export const RECORD_BYTES = 4096;

/** The version of the record, and of the answer line, that this daemon reads. */
const RECORD_VERSION = 1;

/** Undefined when the value is no record: torn, empty, or something else. HOST_RESOURCE for one that a newer launcher wrote: its process is left alone. */
export function parseLauncherRecord(value: unknown): LauncherRecord | undefined {
  if (!isObject(value)) return undefined;
  const version = number(value['version']) ?? RECORD_VERSION;
  if (version > RECORD_VERSION) {
    throw new DomainError('HOST_RESOURCE', `a newer viv-launcher wrote version ${version} of its record; this vivd reads up to ${RECORD_VERSION}`, { remedy: 'start a vivd of the version that launched it' });
  }
  const state = value['state'];
  if (state !== 'starting' && state !== 'running' && state !== 'exited' && state !== 'failed') return undefined;
  return {
    state,
    launcherPid: number(value['launcher_pid']) ?? 0,
    identity: parseIdentity(value),
    exitedAtMs: number(value['exited_at_ms']) ?? 0,
    exitCode: number(value['exit_code']),
    signal: number(value['signal']),
    cpuMs: Math.round(((number(value['user_us']) ?? 0) + (number(value['system_us']) ?? 0)) / 1000),
    maxRssKib: number(value['max_rss_kib']) ?? 0,
    error: parseLauncherFailure(value),
  };
}

/** The `error` of a launcher's line, if it has one. */
export function parseLauncherFailure(value: unknown): LauncherFailure | undefined {
  const error = isObject(value) ? value['error'] : undefined;
  if (!isObject(error)) return undefined;
  return { code: text(error['code']), message: text(error['message']) };
}

/** Pid, start time and boot of a ready line or a record. */
export function parseIdentity(value: unknown): ProcessIdentity | undefined {
  if (!isObject(value)) return undefined;
  const pid = number(value['pid']);
  const startTime = number(value['start_time']);
  const bootId = value['boot_id'];
  if (pid === undefined || pid <= 0 || startTime === undefined || typeof bootId !== 'string') return undefined;
  return { pid, startTime: String(startTime), bootId };
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function number(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
