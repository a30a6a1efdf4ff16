import type { Resource } from '../model/ledger.ts';
import type { Profile } from '../model/profile.ts';
import type { StepOf } from './plans.ts';

/** The parts of bringing a sandbox up. A step without its executor does not compile (daemon/services/boot-run). */
export type CreateStep = StepOf<'create' | 'boot'>;

export interface CreatePlan {
  readonly steps: readonly CreateStep[];
  /** Everything that the steps may make, by its derivable name: written to the record before the first one runs. */
  readonly resources: readonly Resource[];
}

export interface PlanPlaces {
  readonly runDir: string;
  readonly stateDir: string;
  /** Directories of its control groups. */
  readonly cgroups: readonly string[];
}

function resource(kind: Resource['kind'], name: string, attributes: Readonly<Record<string, string>> = {}): Resource {
  return { kind, name, attributes };
}

/** Profile → steps and resources. `devices`: how many are to be plugged in again. Pure. */
export function createPlan(profile: Profile, places: PlanPlaces, devices = 0): CreatePlan {
  const { runDir, stateDir, cgroups } = places;
  const resources = [resource('directory', runDir), resource('directory', stateDir), ...cgroups.map((place) => resource('cgroup', place))];
  const steps: CreateStep[] = ['directories', 'cgroup'];
  if (profile.sharedFs === 'virtiofs') {
    steps.push('share');
    resources.push(resource('mount', `${runDir}/shared`), resource('launcher', `${runDir}/vfs`, { role: 'virtiofsd' }), resource('process', `${runDir}/vfs`, { role: 'virtiofsd' }), resource('socket', `${runDir}/fs.sock`));
  }
  steps.push('vmm');
  resources.push(resource('launcher', `${runDir}/vmm`, { role: 'vmm' }), resource('process', `${runDir}/vmm`, { role: 'vmm' }), resource('socket', `${runDir}/qmp.sock`));
  if (profile.agent !== 'none') {
    steps.push('agent', 'guest');
    resources.push(resource('socket', `${runDir}/agent.sock`));
  }
  if (devices > 0) steps.push('devices');
  return { steps, resources };
}
