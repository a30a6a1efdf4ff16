import type { deferred } from '../../src/base/abort.ts';
import type { GuestProcess, ProcessKey } from '../../src/core/ports/agent.ts';
import type { Cgroups } from '../../src/core/ports/cgroups.ts';
import type { ProcessEnd, SupervisedProcess } from '../../src/core/ports/host.ts';
import type { ImageConfig } from '../../src/core/ports/storage.ts';
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

/** A process in a fake VM. */
export interface FakeProcess {
  readonly key: ProcessKey;
  started: boolean;
  paused: boolean;
  output: string;
  status: number | undefined;
  oomKilled: boolean;
  acked: bigint;
  stdin: string;
  changed: ReturnType<typeof deferred<undefined>>;
}

/** As its guest's agent tells of it. */
export function told(process: FakeProcess): GuestProcess {
  return {
    key: process.key,
    pid: process.started ? 7 : 0,
    exit: process.status === undefined ? undefined : { status: process.status, atMs: 0, oomKilled: false },
    terminal: false,
    paused: process.paused,
    stdout: { written: BigInt(process.output.length), acked: process.acked },
    stderr: { written: 0n, acked: 0n },
    stdinAccepted: BigInt(process.stdin.length),
  };
}

/** An image that says nothing but what its volumes are. */
export function imageWith(volumes: readonly string[]): ImageConfig {
  return { name: 'image', digest: '', lowers: ['/image'], entrypoint: [], command: [], env: [], workingDir: '', user: '', stopSignal: '', volumes, sizeBytes: 0, source: '', pulled: undefined };
}
