const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const;

/** 512 → "512 B", 1610612736 → "1.5 GiB". */
export function describeBytes(bytes: bigint | number): string {
  let value = Number(bytes);
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${value.toFixed(digits).replace(/\.0$/, '')} ${units[unit] ?? 'B'}`;
}

/** 0.0123 s → "12.3 ms", 1.5 s → "1.50 s". */
export const describeMs = (ms: number): string => (ms >= 1000 ? `${(ms / 1000).toFixed(2)} s` : `${ms.toFixed(1)} ms`);

/** "1 layer", "2 layers". */
export const describeCount = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;
