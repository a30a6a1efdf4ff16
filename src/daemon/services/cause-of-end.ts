import type { Cause } from '../../core/model/outcome.ts';
import type { ProcessEnd } from '../../core/ports/host.ts';
import { wasOomKilled } from './sandbox-cgroups.ts';
import type { SandboxUnit } from './sandbox-unit.ts';

const SIGKILL = 9;

export interface CauseOfEnd {
  readonly cause: Cause;
  /** For a person. */
  readonly detail: string;
}

/** What the end of a VMM's process tells by itself. */
export function judge(end: ProcessEnd): CauseOfEnd {
  switch (end.kind) {
    case 'signalled':
      return { cause: 'VMM_CRASH', detail: `its process was ended by signal ${end.signal}` };
    case 'exited':
      return { cause: 'VMM_EXIT', detail: `its process ended with code ${end.code}` };
    case 'unknown':
      return { cause: 'UNKNOWN', detail: 'its process is gone and its launcher died before it could tell how' };
  }
}

/**
 * The same for a process of a sandbox with control groups. The kernel's OOM killer sends SIGKILL and counts it in the group of its victim; the
 * groups are as old as the VM's process, so any count is of its life. Where no launcher could tell the signal, the count alone tells.
 */
export async function judgeProcess(unit: SandboxUnit, end: ProcessEnd, otherwise: CauseOfEnd = judge(end)): Promise<CauseOfEnd> {
  const mayBeOom = end.kind === 'unknown' || (end.kind === 'signalled' && end.signal === SIGKILL);
  if (!mayBeOom || !(await wasOomKilled(unit))) return otherwise;
  return { cause: 'HOST_OOM_KILL', detail: `${otherwise.detail}: the host's kernel killed it for want of memory` };
}
