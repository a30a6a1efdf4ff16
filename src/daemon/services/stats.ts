import type { WaitOptions } from '../../core/ports/host.ts';
import type { ProcessUsage, SandboxStats } from './facade.ts';
import type { SandboxUnit } from './sandbox-unit.ts';

/** Reads what one process of the host uses; undefined when it is gone. */
export type ProcessMeter = (pid: number) => Promise<{ readonly cpuSeconds: number; readonly rssBytes: number; readonly pssBytes: number } | undefined>;

const GUEST_ASK_MS = 2000;

export async function sandboxStats(unit: SandboxUnit, meter: ProcessMeter, options: WaitOptions): Promise<SandboxStats> {
  const processes = await hostProcesses(unit, meter);
  return { sandboxId: unit.id, atMs: unit.deps.clock.wallMs(), processes, guest: await guestUsage(unit, options) };
}

export async function hostProcesses(unit: SandboxUnit, meter: ProcessMeter): Promise<readonly ProcessUsage[]> {
  const pids: (readonly [string, number])[] = [];
  if (unit.session !== undefined) pids.push(['vmm', unit.session.ref.process.pid]);
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
  try {
    const text = await agent.metrics({ signal: options.signal ?? AbortSignal.timeout(GUEST_ASK_MS) });
    return readGuestMetrics(text);
  } catch (error) {
    unit.log.debug({ error }, 'the guest was not asked for its figures');
    return undefined;
  }
}

/** The kata agent's Prometheus text → the few figures that a listing shows. Pure. */
export function readGuestMetrics(text: string): NonNullable<SandboxStats['guest']> {
  const values = new Map<string, number>();
  for (const line of text.split('\n')) {
    const match = /^([a-z_]+)(?:\{([^}]*)\})? ([-+0-9.eE]+)/.exec(line);
    if (match === null) continue;
    values.set(`${match[1] ?? ''}{${match[2] ?? ''}}`, Number(match[3]));
  }
  const meminfo = (item: string): number => values.get(`kata_guest_meminfo{item="${item}"}`) ?? 0;
  const total = meminfo('mem_total');
  let cpu = 0;
  for (const [key, value] of values) {
    if (key.startsWith('kata_guest_cpu_time{') && key.includes('cpu="total"') && !key.includes('item="idle"') && !key.includes('item="iowait"')) cpu += value;
  }
  return { memoryTotal: total, memoryUsed: Math.max(0, total - meminfo('mem_available')), load1: values.get('kata_guest_load{item="load1"}') ?? 0, cpuMs: cpu };
}
