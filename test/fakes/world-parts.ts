import type { Cgroups } from '../../src/core/ports/cgroups.ts';
import type { ProcessEnd, SupervisedProcess } from '../../src/core/ports/host.ts';
import type { Metrics } from '../../src/core/ports/telemetry.ts';

/** A process that a launcher tells of after its end. */
export function endedProcess(end: ProcessEnd): SupervisedProcess {
  return { identity: { pid: 42, startTime: '1', bootId: 'boot-1' }, launcherPid: 41, directory: '', ended: Promise.resolve(end), end, signal: async () => undefined, tail: async () => '', release: () => undefined };
}

/** Groups that are counts: how many of their processes were killed for want of memory. */
export function memoryCgroups(host: { readonly cgroups: Map<string, number>; readonly cgroupRoot: string; at(name: string): Promise<void> }): Cgroups {
  return {
    root: '/cg',
    problem: '',
    places: (owner) => [`${host.cgroupRoot}/${owner}`],
    make: async (places) => {
      await host.at('cgroup');
      for (const place of places) host.cgroups.set(place, 0);
      return places;
    },
    remove: async (places) => {
      await host.at('cgroup-remove');
      for (const place of places) host.cgroups.delete(place);
    },
    oomKills: async (places) => places.map((place) => host.cgroups.get(place)).find((count) => count !== undefined),
  };
}

export const SILENT: Metrics = {
  rpc: () => undefined,
  agentRpc: () => undefined,
  phase: () => undefined,
  sandboxState: () => undefined,
  ended: () => undefined,
  dropped: () => undefined,
  checkpointFailures: () => undefined,
  unsaved: () => undefined,
};
