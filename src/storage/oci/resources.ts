import type { ContainerResources } from '../../core/model/sandbox-spec.ts';
import type { OciResources } from './runtime-spec.ts';
import type { Violations } from './violations.ts';

/** Microseconds; the kernel's default. */
const CPU_PERIOD = 100_000;
/** Microseconds; the kernel takes no less. */
const SMALLEST_QUOTA = 1_000;
/** cgroup v1's range of cpu.shares, which OCI keeps. */
const SHARES = { least: 2, most: 262_144 };
/** A container's first process does not start with less. */
const SMALLEST_MEMORY = 1024 * 1024;
const CPUSET = /^\d{1,5}(-\d{1,5})?(,\d{1,5}(-\d{1,5})?)*$/;

function checkedCpu(wanted: ContainerResources, violations: Violations): NonNullable<OciResources['cpu']> {
  const { cpus, cpuShares, cpusetCpus } = wanted;
  if (!Number.isFinite(cpus) || cpus < 0) violations.add('spec.resources.cpus', `${cpus} is not a number of CPUs`);
  else if (cpus > 0 && cpus * CPU_PERIOD < SMALLEST_QUOTA) violations.add('spec.resources.cpus', `${cpus} is less than the least share of a CPU, 0.01`);
  if (cpuShares !== 0 && (cpuShares < SHARES.least || cpuShares > SHARES.most)) violations.add('spec.resources.cpu_shares', `${cpuShares} is not between ${SHARES.least} and ${SHARES.most}`);
  if (cpusetCpus !== '' && !CPUSET.test(cpusetCpus)) violations.add('spec.resources.cpuset_cpus', `"${cpusetCpus}" is not a list of CPUs such as "0-1,3"`);
  return {
    ...(cpus > 0 ? { quota: Math.round(cpus * CPU_PERIOD), period: CPU_PERIOD } : {}),
    ...(cpuShares > 0 ? { shares: cpuShares } : {}),
    ...(cpusetCpus === '' ? {} : { cpus: cpusetCpus }),
  };
}

/** A container's limits as the guest's cgroups get them. */
export function checkedResources(wanted: ContainerResources, violations: Violations): OciResources {
  const cpu = checkedCpu(wanted, violations);
  const { memoryBytes, pidsLimit } = wanted;
  if (memoryBytes !== 0 && memoryBytes < SMALLEST_MEMORY) violations.add('spec.resources.memory_bytes', `${memoryBytes} is less than the least limit, ${SMALLEST_MEMORY}`);
  return {
    ...(Object.keys(cpu).length > 0 ? { cpu } : {}),
    ...(memoryBytes > 0 ? { memory: { limit: memoryBytes } } : {}),
    ...(pidsLimit > 0 ? { pids: { limit: pidsLimit } } : {}),
  };
}
