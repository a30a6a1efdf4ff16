import { median } from './stats.ts';

/**
 * The official kata agent 4.1.0 in a QEMU TCG guest with Debian's kernel 6.1 on an idle machine of this size, medians. It is not built here, so
 * its figures were taken once, and are compared by what a boot took then and what one takes now.
 */
export const OFFICIAL = {
  /** Debian's packed kernel, uncompressed initrd with the agent, to the first Check. */
  bootMs: 2740,
  createStartMs: 248 + 9,
  execMs: 222,
  stdoutMbPerSecond: 9,
} as const;

/**
 * How much slower this machine is than that one was, by a bare boot of the same packed kernel. Its boot had a larger agent to start as well, so
 * this makes our figures look worse than they are, if anything.
 */
export function slowness(bareBootMs: readonly number[]): number {
  return median(bareBootMs) / OFFICIAL.bootMs;
}
