import { containerStateToJSON } from '../../gen/vivarium/v1/container.ts';
import { sandboxStateToJSON, type GetSandboxStatsResponse } from '../../gen/vivarium/v1/sandbox.ts';
import { durationFromMs, durationMs } from '../args/duration.ts';
import { cpuShare, type CpuSample } from '../format/cpu-percent.ts';
import { enumText } from '../format/enum-text.ts';
import type { ContainerLook, SandboxLook } from './look.ts';

export const sortKeys = ['cpu', 'memory', 'pss', 'uptime', 'name'] as const;
export type SortKey = (typeof sortKeys)[number];

/** What a line of `viv top` says; a figure that is not known is undefined. */
export interface TopRow {
  readonly id: string;
  readonly shortId: string;
  readonly name: string;
  readonly state: string;
  /** 100 is one CPU; of a sandbox, all its processes on the host. */
  readonly cpuPercent: number | undefined;
  /** In use: of a sandbox, inside the guest. */
  readonly memoryBytes: bigint | undefined;
  /** Of a sandbox the VM's memory, of a container its limit. */
  readonly memoryLimitBytes: bigint | undefined;
  /** What the sandbox's processes hold of the host's memory, shared pages by their share; containers have none of their own. */
  readonly pssBytes: bigint | undefined;
  readonly uptimeMs: number | undefined;
}

export interface SandboxRow extends TopRow {
  readonly containers: readonly TopRow[];
}

/**
 * Lines of a table from two looks; each sandbox has its containers with it.
 * @param before the look that CPU use is counted from; absent: CPU use is not known yet
 */
export function topRows(before: readonly SandboxLook[], current: readonly SandboxLook[], now: Date, sort: SortKey): SandboxRow[] {
  const earlier = new Map(before.map((look) => [look.sandbox.id, look]));
  const order = compareBy(sort);
  return current
    .map((look) => {
      const past = earlier.get(look.sandbox.id);
      const pastContainers = new Map(past?.containers.map((found) => [found.container.id, found]));
      const containers = look.containers.map((found) => containerRow(pastContainers.get(found.container.id), found, now)).sort(order);
      return { ...sandboxRow(past, look, now), containers };
    })
    .sort(order);
}

function sandboxRow(before: SandboxLook | undefined, { sandbox, stats }: SandboxLook, now: Date): TopRow {
  const guest = stats?.guestMemory;
  return {
    id: sandbox.id,
    shortId: sandbox.shortId,
    name: sandbox.spec?.name ?? '',
    state: enumText(sandboxStateToJSON(sandbox.state), 'SANDBOX_STATE_'),
    cpuPercent: stats === undefined ? undefined : cpuShare(hostCpu(before?.stats), hostCpu(stats) ?? { at: undefined, cpu: undefined }),
    memoryBytes: guest === undefined || guest.limitBytes === 0n ? undefined : guest.usageBytes,
    memoryLimitBytes: sandbox.memoryBytes === 0n ? undefined : sandbox.memoryBytes,
    pssBytes: stats?.processes.reduce((sum, process) => sum + process.pssBytes, 0n),
    uptimeMs: since(sandbox.readyAt, now),
  };
}

function containerRow(before: ContainerLook | undefined, { container, stats }: ContainerLook, now: Date): TopRow {
  const limit = stats?.memory?.limitBytes ?? 0n;
  return {
    id: container.id,
    shortId: container.shortId,
    name: container.spec?.name ?? '',
    state: enumText(containerStateToJSON(container.state), 'CONTAINER_STATE_'),
    cpuPercent: stats === undefined ? undefined : cpuShare(before?.stats, stats),
    memoryBytes: stats?.memory?.usageBytes,
    memoryLimitBytes: limit === 0n ? undefined : limit,
    pssBytes: undefined,
    uptimeMs: since(container.startedAt, now),
  };
}

/** The processor time of all processes of a sandbox on the host. */
function hostCpu(stats: GetSandboxStatsResponse | undefined): CpuSample | undefined {
  if (stats === undefined) return undefined;
  const totalMs = stats.processes.reduce((sum, process) => sum + durationMs(process.cpu), 0);
  return { at: stats.at, cpu: { total: durationFromMs(totalMs), user: undefined, system: undefined, throttledPeriods: 0n, throttled: undefined } };
}

const since = (moment: Date | undefined, now: Date): number | undefined => (moment === undefined ? undefined : Math.max(0, now.getTime() - moment.getTime()));

/** Most first, names from a to z; what is not known comes last. */
function compareBy(key: SortKey): (a: TopRow, b: TopRow) => number {
  const figure = ({ cpuPercent, memoryBytes, pssBytes, uptimeMs }: TopRow): number =>
    Number({ cpu: cpuPercent, memory: memoryBytes, pss: pssBytes ?? memoryBytes, uptime: uptimeMs, name: 0 }[key] ?? -1);
  return (a, b) => figure(b) - figure(a) || a.name.localeCompare(b.name) || a.id.localeCompare(b.id);
}
