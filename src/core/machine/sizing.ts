import type { Profile } from '../model/profile.ts';

/** How big a VM is. */
export interface VmSize {
  readonly cpus: number;
  readonly maxCpus: number;
  readonly memoryBytes: number;
}

const MIB = 1024 * 1024;

/**
 * The VM's size for what its containers ask for: a limit plus the overhead where there is one, the profile's default where there is none
 * (a default is a fall-back, never an addend); whole CPUs, whole MiB.
 */
export function vmSize(profile: Profile, workload: { readonly cpus: number; readonly memoryBytes: number }): VmSize {
  const cpus = workload.cpus > 0 ? Math.ceil(workload.cpus) : profile.cpus;
  const wanted = workload.memoryBytes > 0 ? workload.memoryBytes + profile.memoryOverheadBytes : profile.memoryBytes;
  const memoryBytes = Math.ceil(wanted / MIB) * MIB;
  return { cpus, maxCpus: Math.max(cpus, profile.maxCpus), memoryBytes };
}
