import type { Violations } from './violations.ts';

/** What a program finds when neither image nor caller set it. */
export const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** One source of variables: `NAME=value` entries, and what a wrong one is called in the answer. */
export interface EnvironmentLayer {
  readonly field: string;
  readonly entries: readonly string[];
}

function problemOf(entry: string): string | undefined {
  if (entry.includes('\0')) return 'a variable can not hold a NUL byte';
  const equals = entry.indexOf('=');
  if (equals > 0) return undefined;
  return equals === 0 ? 'a variable needs a name before its "="' : `"${entry}" is not NAME=VALUE`;
}

/** The variables of all layers, the later layer winning; each name once, in the order of its first mention. */
export function mergeEnvironment(layers: readonly EnvironmentLayer[], violations: Violations): readonly string[] {
  const merged = new Map<string, string>();
  for (const { field, entries } of layers) {
    entries.forEach((entry, index) => {
      const problem = problemOf(entry);
      if (problem === undefined) merged.set(entry.slice(0, entry.indexOf('=')), entry);
      else violations.add(`${field}[${index}]`, problem);
    });
  }
  return [...merged.values()];
}

/** The value of a variable in a list of `NAME=value`. */
export function variableOf(environment: readonly string[], name: string): string | undefined {
  const entry = environment.find((text) => text.startsWith(`${name}=`));
  return entry?.slice(name.length + 1);
}

/** The lowest layer: what every container has. `container` and `container_uuid` are systemd's container interface: what runs me, and my id. */
export function baseEnvironment(facts: { readonly containerId: string; readonly home: string; readonly hostname: string; readonly tty: boolean }): EnvironmentLayer {
  const entries = [`PATH=${DEFAULT_PATH}`, `HOSTNAME=${facts.hostname}`, `HOME=${facts.home}`, 'container=vivarium', `container_uuid=${facts.containerId}`];
  return { field: 'default environment', entries: facts.tty ? [...entries, 'TERM=xterm'] : entries };
}
