const NAMES: ReadonlySet<string> = new Set([
  'AS', 'CORE', 'CPU', 'DATA', 'FSIZE', 'LOCKS', 'MEMLOCK', 'MSGQUEUE', 'NICE', 'NOFILE', 'NPROC', 'RSS', 'RTPRIO', 'RTTIME', 'SIGPENDING', 'STACK',
]);

/** A resource limit (getrlimit(2)) as `RLIMIT_X`, from `nofile` or `RLIMIT_NOFILE`. Undefined: no such limit. */
export function parseRlimitType(text: string): string | undefined {
  const upper = text.toUpperCase();
  const bare = upper.startsWith('RLIMIT_') ? upper.slice(7) : upper;
  return NAMES.has(bare) ? `RLIMIT_${bare}` : undefined;
}
