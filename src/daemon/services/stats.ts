import { deadline } from '../../base/abort.ts';
import { DomainError } from '../../core/model/errors.ts';
import type { WaitOptions } from '../../core/ports/host.ts';
import type { ProcessUsage, SandboxStats } from './facade.ts';
import type { SandboxUnit } from './sandbox-unit.ts';

/** Reads what one process of the host uses; undefined when it is gone. */
export type ProcessMeter = (pid: number) => Promise<{ readonly cpuSeconds: number; readonly rssBytes: number; readonly pssBytes: number } | undefined>;

/** However patient the caller is: a guest that is mute holds up no listing. */
const GUEST_ASK_MS = 2000;

export async function sandboxStats(unit: SandboxUnit, meter: ProcessMeter, options: WaitOptions): Promise<SandboxStats> {
  const processes = await hostProcesses(unit, meter);
  return { sandboxId: unit.id, atMs: unit.deps.clock.wallMs(), processes, guest: await guestUsage(unit, options) };
}

export async function hostProcesses(unit: SandboxUnit, meter: ProcessMeter): Promise<readonly ProcessUsage[]> {
  const pids: (readonly [string, number])[] = [];
  if (unit.session !== undefined) pids.push(['vmm', unit.session.ref.process.pid], ['vmm-launcher', unit.session.launcherPid]);
  if (unit.share !== undefined) pids.push(['virtiofsd', unit.share.pid], ['virtiofsd-launcher', unit.share.launcherPid]);
  const usages = await Promise.all(pids.map(async ([role, pid]) => ({ role, pid, usage: await meter(pid) })));
  return usages.flatMap(({ role, pid, usage }) => (usage === undefined ? [] : [{ role, pid, cpuMs: usage.cpuSeconds * 1000, rssBytes: usage.rssBytes, pssBytes: usage.pssBytes }]));
}

/** What the processes of all sandboxes use, summed by role: for a scrape, not for one sandbox. */
export async function usageByRole(units: readonly SandboxUnit[], meter: ProcessMeter): Promise<readonly RoleUsage[]> {
  const sums = new Map<string, RoleUsage>();
  for (const unit of units) {
    for (const { role, cpuMs, rssBytes, pssBytes } of await hostProcesses(unit, meter)) {
      const sum = sums.get(role) ?? { role, processes: 0, cpuSeconds: 0, rssBytes: 0, pssBytes: 0 };
      sums.set(role, { role, processes: sum.processes + 1, cpuSeconds: sum.cpuSeconds + cpuMs / 1000, rssBytes: sum.rssBytes + rssBytes, pssBytes: sum.pssBytes + pssBytes });
    }
  }
  return [...sums.values()];
}

/** One line a sandbox, for the figures that bear its id. */
export async function figuresOf(units: readonly SandboxUnit[], meter: ProcessMeter): Promise<readonly SandboxFigures[]> {
  return await Promise.all(
    units.map(async (unit) => {
      const { processes, guest } = await sandboxStats(unit, meter, {});
      return {
        id: unit.id,
        name: unit.record.name,
        state: unit.record.state,
        memoryBytes: unit.record.memoryBytes,
        cpuSeconds: processes.reduce((sum, process) => sum + process.cpuMs / 1000, 0),
        pssBytes: processes.reduce((sum, process) => sum + process.pssBytes, 0),
        guestMemoryUsedBytes: guest?.memoryUsed,
        guestLoad1: guest?.load1,
      };
    }),
  );
}

export interface SandboxFigures {
  readonly id: string;
  readonly name: string;
  readonly state: string;
  readonly memoryBytes: number;
  readonly cpuSeconds: number;
  readonly pssBytes: number;
  readonly guestMemoryUsedBytes: number | undefined;
  readonly guestLoad1: number | undefined;
}

export interface RoleUsage {
  readonly role: string;
  readonly processes: number;
  readonly cpuSeconds: number;
  readonly rssBytes: number;
  readonly pssBytes: number;
}

async function guestUsage(unit: SandboxUnit, options: WaitOptions): Promise<SandboxStats['guest']> {
  const agent = unit.agent?.current;
  const { state } = unit.record;
  if (agent === undefined || (state !== 'ready' && state !== 'running')) return undefined;
  using limit = deadline({
    ms: GUEST_ASK_MS,
    timer: (ms, callback) => unit.deps.clock.timer(ms, callback),
    reason: () => new DomainError('DEADLINE', `the guest said nothing for ${GUEST_ASK_MS / 1000} s`, { sandboxId: unit.id }),
    signals: [options.signal],
  });
  try {
    const text = await agent.metrics({ signal: limit.signal });
    return readGuestMetrics(text);
  } catch (error) {
    unit.log.debug({ error }, 'the guest was not asked for its figures');
    return undefined;
  }
}

/** A guest agent's Prometheus text → the few figures that a listing shows: ours, or an official one's. Pure. */
export function readGuestMetrics(text: string): NonNullable<SandboxStats['guest']> {
  const values = new Map<string, number>();
  let ourCpuSeconds = 0;
  let theirCpu = 0;
  for (const line of text.split('\n')) {
    const match = /^([a-z0-9_]+)(?:\{([^}]*)\})? ([-+0-9.eE]+)/.exec(line);
    if (match === null) continue;
    const [name = '', labels = '', value] = [match[1], match[2], Number(match[3])];
    values.set(`${name}{${labels}}`, value);
    const idle = /"(?:idle|iowait)"/.test(labels);
    if (name === 'vivarium_guest_cpu_seconds_total' && !idle) ourCpuSeconds += value;
    if (name === 'kata_guest_cpu_time' && labels.includes('cpu="total"') && !idle) theirCpu += value;
  }
  const first = (...keys: readonly string[]): number => keys.map((key) => values.get(key)).find((value) => value !== undefined) ?? 0;
  const total = first('vivarium_guest_memory_bytes{kind="total"}', 'kata_guest_meminfo{item="mem_total"}');
  const available = first('vivarium_guest_memory_bytes{kind="available"}', 'kata_guest_meminfo{item="mem_available"}');
  return {
    memoryTotal: total,
    memoryUsed: Math.max(0, total - available),
    load1: first('vivarium_guest_load1{}', 'kata_guest_load{item="load1"}'),
    cpuMs: ourCpuSeconds > 0 ? ourCpuSeconds * 1000 : theirCpu,
  };
}
