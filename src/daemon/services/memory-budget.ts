const MIB = 1024 * 1024;
/** What the host keeps for itself: a tenth, at least this. */
const LEAST_RESERVE = 512 * MIB;

/** Bytes that sandboxes may have on a host of that size, when the operator does not say. */
export function autoMemoryBudget(totalBytes: number, availableBytes: number): number {
  const reserve = Math.max(LEAST_RESERVE, totalBytes / 10);
  return Math.max(0, Math.floor(availableBytes - reserve));
}
