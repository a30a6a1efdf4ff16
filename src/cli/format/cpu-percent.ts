import type { CpuUsage } from '../../gen/vivarium/v1/common.ts';
import { durationMs } from '../args/duration.ts';

export interface CpuSample {
  readonly at: Date | undefined;
  readonly cpu: CpuUsage | undefined;
}

/** CPU used between two samples, 100 being one CPU; undefined when there is nothing to compare. */
export function cpuShare(before: CpuSample | undefined, now: CpuSample): number | undefined {
  if (before?.at === undefined || now.at === undefined) return undefined;
  const wallMs = now.at.getTime() - before.at.getTime();
  const usedMs = durationMs(now.cpu?.total) - durationMs(before.cpu?.total);
  return wallMs <= 0 || usedMs < 0 ? undefined : (usedMs / wallMs) * 100;
}

export const percentText = (share: number | undefined): string => (share === undefined ? '' : `${share.toFixed(1)} %`);

export const cpuPercent = (before: CpuSample | undefined, now: CpuSample): string => percentText(cpuShare(before, now));
