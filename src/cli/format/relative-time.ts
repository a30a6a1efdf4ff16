const steps: readonly (readonly [limitSeconds: number, unitSeconds: number, name: string])[] = [
  [60, 1, 'second'],
  [3600, 60, 'minute'],
  [48 * 3600, 3600, 'hour'],
  [14 * 86_400, 86_400, 'day'],
  [60 * 86_400, 7 * 86_400, 'week'],
  [730 * 86_400, 30 * 86_400, 'month'],
  [Number.POSITIVE_INFINITY, 365 * 86_400, 'year'],
];

/** "2 minutes"; "less than a second" below one. */
export function describeSpan(ms: number): string {
  const seconds = Math.floor(Math.max(0, ms) / 1000);
  if (seconds < 1) return 'less than a second';
  const [, unit, name] = steps.find(([limit]) => seconds < limit) ?? [0, 1, 'second'];
  const count = Math.floor(seconds / unit);
  return `${count} ${name}${count === 1 ? '' : 's'}`;
}

/** "2 minutes ago"; empty for a moment that never was. */
export const timeAgo = (moment: Date | undefined, now: Date): string =>
  moment === undefined ? '' : `${describeSpan(now.getTime() - moment.getTime())} ago`;
