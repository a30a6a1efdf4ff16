import { UsageError } from '../cli-error.ts';
import type { Rlimit } from '../../gen/vivarium/v1/container.ts';

// RLIM_INFINITY of getrlimit(2) on Linux.
const unlimited = (1n << 64n) - 1n;

/**
 * Reads `nofile=1024:2048`, `nofile=1024` (both limits) or `core=unlimited`.
 * @throws {UsageError}
 */
export function parseUlimit(text: string): Rlimit {
  const match = /^([a-zA-Z_]+)=(\d+|unlimited|-1)(?::(\d+|unlimited|-1))?$/.exec(text);
  const [, type, soft] = match ?? [];
  if (type === undefined || soft === undefined) throw new UsageError(`--ulimit: "${text}" is not NAME=SOFT[:HARD]`);
  return { type, soft: limit(soft), hard: limit(match?.[3] ?? soft) };
}

const limit = (text: string): bigint => (/^\d+$/.test(text) ? BigInt(text) : unlimited);
