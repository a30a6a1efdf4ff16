import type { OciRlimit } from './runtime-spec.ts';
import type { Violations } from './violations.ts';

/** getrlimit(2), without the prefix. */
const NAMES = new Set(['AS', 'CORE', 'CPU', 'DATA', 'FSIZE', 'LOCKS', 'MEMLOCK', 'MSGQUEUE', 'NICE', 'NOFILE', 'NPROC', 'RSS', 'RTPRIO', 'RTTIME', 'SIGPENDING', 'STACK']);
const INFINITY = (1n << 64n) - 1n;

/** A kernel starts init with 1024 open files, 4096 at most; servers expect to be able to raise it. */
const DEFAULT_RLIMITS: readonly OciRlimit[] = [{ type: 'RLIMIT_NOFILE', soft: 1024n, hard: 1_048_576n }];

/** `nofile`, `RLIMIT_NOFILE` → `RLIMIT_NOFILE`; undefined for a limit that Linux does not have. */
export function rlimitName(text: string): string | undefined {
  const short = text.toUpperCase().replace(/^RLIMIT_/, '');
  return NAMES.has(short) ? `RLIMIT_${short}` : undefined;
}

/** The limits of a container: the caller's over the defaults. */
export function checkedRlimits(wanted: readonly OciRlimit[], field: string, violations: Violations): readonly OciRlimit[] {
  const limits = new Map(DEFAULT_RLIMITS.map((limit) => [limit.type, limit]));
  const seen = new Set<string>();
  wanted.forEach(({ type: text, soft, hard }, index) => {
    const type = rlimitName(text);
    if (type === undefined) violations.add(`${field}[${index}].type`, `"${text}" is not a resource limit of Linux`);
    else if (seen.has(type)) violations.add(`${field}[${index}].type`, `${type} is given twice`);
    else if (soft < 0n || hard < 0n || soft > INFINITY || hard > INFINITY) violations.add(`${field}[${index}]`, 'a limit is between 0 and 2^64 - 1');
    else if (soft > hard) violations.add(`${field}[${index}].soft`, `${soft} is over the hard limit ${hard}`);
    if (type === undefined) return;
    seen.add(type);
    limits.set(type, { type, soft, hard });
  });
  return [...limits.values()];
}
