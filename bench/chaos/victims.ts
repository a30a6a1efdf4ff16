import { allProcesses, isZombie } from '../host/own-processes.ts';
import type { HostProcess } from '../host/own-processes.ts';
import type { Victim } from './schedule.ts';

/** A process beside the daemon that may be killed, and the short id of its sandbox. */
export interface Candidate {
  readonly pid: number;
  readonly startTime: string;
  readonly victim: Exclude<Victim, 'daemon'>;
  readonly sandbox: string;
}

/** What runs for the sandboxes of a run directory, by the launch directory in its environment; a launcher is the parent of what it launched (virtiofsd has a child that bears the same words). In order of their pids. */
export function candidates(run: string): readonly Candidate[] {
  const living = allProcesses().filter((found) => !isZombie(found));
  const children = living.flatMap((child) => {
    const [, sandbox, what] = new RegExp(`VIVARIUM_LAUNCH=${run}/s/([^/\\0]+)/([^/\\0]+)`).exec(child.environment) ?? [];
    return sandbox === undefined || what === undefined ? [] : [{ child, sandbox, what }];
  });
  return children.flatMap(({ child, sandbox, what }) => {
    const own: Candidate = { ...named(child), victim: what === 'vmm' ? 'vmm' : 'virtiofsd', sandbox };
    const keepers = living.filter(({ pid, parent, name }) => (name === 'viv-launcher' && pid === child.parent) || (name === 'viv-scribe' && parent === child.parent && parent !== 1));
    return [own, ...keepers.map((keeper): Candidate => ({ ...named(keeper), victim: keeper.pid === child.parent ? 'launcher' : 'scribe', sandbox }))];
  });
}

function named({ pid, startTime }: HostProcess): { readonly pid: number; readonly startTime: string } {
  return { pid, startTime };
}
