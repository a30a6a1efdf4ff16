import { shortId } from '../../core/model/ids.ts';
import type { SandboxUnit } from './sandbox-unit.ts';

/** A sandbox's control groups: those that its record names, which another daemon may have chosen, and those that this one would make. */
function allCgroupPlaces(unit: SandboxUnit): readonly string[] {
  const recorded = unit.record.resources.filter(({ kind }) => kind === 'cgroup').map(({ name }) => name);
  return [...new Set([...recorded, ...cgroupPlaces(unit)])];
}

/** Those that this daemon makes. */
export function cgroupPlaces(unit: SandboxUnit): readonly string[] {
  return unit.deps.cgroups.places(shortId(unit.id));
}

/** By which a process joins those that were made (LaunchSpec.cgroups). */
export function cgroupFiles(unit: SandboxUnit): readonly string[] {
  return unit.cgroups.map((place) => `${place}/cgroup.procs`);
}

export async function removeCgroups(unit: SandboxUnit): Promise<void> {
  unit.cgroups = [];
  await unit.deps.cgroups.remove(allCgroupPlaces(unit));
}

/** Whether the kernel has killed a process of this sandbox for want of memory since its VM was started. */
export async function wasOomKilled(unit: SandboxUnit): Promise<boolean> {
  return ((await unit.deps.cgroups.oomKills(allCgroupPlaces(unit))) ?? 0) > 0;
}
