import type { CpuUsage } from '../../gen/vivarium/v1/common.ts';
import { durationMs } from '../args/duration.ts';

interface CpuSample {
  readonly at: Date | undefined;
  readonly cpu: CpuUsage | undefined;
}

/** CPU used between two samples, 100 % being one CPU; empty when there is nothing to compare. */
export function cpuPercent(before: CpuSample | undefined, now: CpuSample): string {
  if (before?.at === undefined || now.at === undefined) return '';
  const wallMs = now.at.getTime() - before.at.getTime();
  const usedMs = durationMs(now.cpu?.total) - durationMs(before.cpu?.total);
  return wallMs <= 0 || usedMs < 0 ? '' : `${((usedMs / wallMs) * 100).toFixed(1)} %`;
}
