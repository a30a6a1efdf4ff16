import { kill } from 'node:process';
import { DomainError } from '../../core/model/errors.ts';
import type { ProcessIdentity } from '../../core/model/ledger.ts';
import type { Clock, WaitOptions } from '../../core/ports/host.ts';
import type { FoundResource, LedgerKind } from '../../core/ports/ledger.ts';
import { errnoOf } from '../files.ts';
import type { ProcessTable } from '../process-identity.ts';
import type { MarkedProcess, MarkedRole, ProcessScan } from './process-scan.ts';

const SIGKILL = 9;
const END_MS = 5000;
const FIRST_LOOK_MS = 2;
const LAST_LOOK_MS = 100;
/** A launcher whose child has ended writes down how and ends by itself. */
const ORDER: readonly MarkedRole[] = ['child', 'launcher', 'scribe'];

export interface ProcessLedgerParts {
  readonly scan: ProcessScan;
  readonly processes: ProcessTable;
  readonly clock: Clock;
}

/**
 * VMMs, virtiofsds, their launchers and scribes. Marks: the environment that the launcher gave (`VIVARIUM_INSTANCE`), and for launchers
 * the name and the working directory. Named by the launcher's directory.
 */
export class ProcessLedger implements LedgerKind {
  readonly kind = 'process';
  readonly #parts: ProcessLedgerParts;

  constructor(parts: ProcessLedgerParts) {
    this.#parts = parts;
  }

  async find(options: WaitOptions = {}): Promise<readonly FoundResource[]> {
    const marked = await this.#parts.scan.scan(options);
    return marked.toSorted((a, b) => ORDER.indexOf(a.role) - ORDER.indexOf(b.role) || a.pid - b.pid).map(foundProcess);
  }

  /** SIGKILL to that very process; resolves when it is gone. */
  async remove(found: FoundResource, options: WaitOptions = {}): Promise<void> {
    const { processes, clock } = this.#parts;
    const identity: ProcessIdentity = { pid: Number(found.attributes['pid']), startTime: found.attributes['start_time'] ?? '', bootId: await processes.bootId() };
    if (!(await processes.isAlive(identity))) return;
    try {
      kill(identity.pid, SIGKILL);
    } catch (error) {
      if (errnoOf(error) === 'ESRCH') return;
      throw new DomainError('HOST_RESOURCE', `process ${identity.pid} (${found.attributes['command'] ?? ''}) can't be ended: ${String(error)}`, { cause: error });
    }
    const until = clock.monotonicMs() + END_MS;
    for (let pause = FIRST_LOOK_MS; await processes.isAlive(identity); pause = Math.min(2 * pause, LAST_LOOK_MS)) {
      if (clock.monotonicMs() >= until) throw await this.#resists(identity.pid, found);
      await clock.sleep(pause, options);
    }
  }

  async #resists(pid: number, found: FoundResource): Promise<DomainError> {
    const state = (await this.#parts.processes.stat(pid))?.state ?? '?';
    return new DomainError('HOST_RESOURCE', `process ${pid} (${found.attributes['command'] ?? ''}) is there ${END_MS / 1000} s after SIGKILL, in state ${state}`, {
      remedy: state === 'D' ? 'it waits in the kernel: look for a stuck disk or network file system' : 'see /proc/PID/stack',
    });
  }
}

function foundProcess({ pid, startTime, command, role, owner, launch }: MarkedProcess): FoundResource {
  const name = launch === undefined ? `pid ${pid}` : role === 'child' ? launch : `${launch}#${role}`;
  return { kind: 'process', name, owner, containerId: undefined, attributes: { pid: String(pid), start_time: startTime, command, role } };
}
