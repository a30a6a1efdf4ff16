import type { ContainerUsage } from '../../core/ports/agent.ts';
import type { CgroupStats } from '../../gen/agent/stats.ts';

/** A container's figures; what the guest did not tell is 0. */
export function toUsage(stats: CgroupStats | undefined): ContainerUsage {
  const cpu = stats?.cpuStats?.cpuUsage;
  const throttling = stats?.cpuStats?.throttlingData;
  const memory = stats?.memoryStats;
  return {
    cpuTotalNs: cpu?.totalUsage ?? 0n,
    cpuUserNs: cpu?.usageInUsermode ?? 0n,
    cpuSystemNs: cpu?.usageInKernelmode ?? 0n,
    throttledPeriods: throttling?.throttledPeriods ?? 0n,
    throttledNs: throttling?.throttledTime ?? 0n,
    memoryBytes: memory?.usage?.usage ?? 0n,
    memoryLimitBytes: memory?.usage?.limit ?? 0n,
    cacheBytes: memory?.cache ?? 0n,
    swapBytes: memory?.swapUsage?.usage ?? 0n,
    pids: stats?.pidsStats?.current ?? 0n,
  };
}
