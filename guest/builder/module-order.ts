import { BuildError } from './build-error.ts';
import { normalModuleName } from './module-info.ts';

/** One module to load, in the words of the request: a name, and parameters for the kernel if any. */
export interface ModuleRequest {
  readonly name: string;
  readonly parameters: string;
}

/** A module of the plan, with where its object file is. */
export interface PlannedModule extends ModuleRequest {
  readonly file: string;
}

/** The kernel's modules as the order needs them: pure data or a reader behind functions. */
export interface ModuleSource {
  /** The object file of a module, or undefined when the kernel has none of that name. */
  file(name: string): string | undefined;
  isBuiltin(name: string): boolean;
  /** Names it needs loaded before it. `soft` ones may be absent. */
  needs(name: string): { readonly hard: readonly string[]; readonly soft: readonly string[] };
  names(): readonly string[];
}

export interface ModuleOrder {
  readonly load: readonly PlannedModule[];
  /** Asked for, but part of the kernel itself. */
  readonly builtin: readonly string[];
}

/** Parses `NAME` or `NAME parameter=value …`. */
export function parseModuleRequest(text: string): ModuleRequest {
  const match = /^([A-Za-z0-9_-]{1,64})(?:\s+(\S.*?))?\s*$/.exec(text);
  if (match?.[1] === undefined || /[\r\n\0]/.test(text)) throw new BuildError('usage', `not a module name: ${JSON.stringify(text)}`);
  return { name: normalModuleName(match[1]), parameters: match[2] ?? '' };
}

/** Orders modules so that each comes after what it needs; those in `loaded` are taken as there already. */
export function orderModules(requests: readonly ModuleRequest[], source: ModuleSource, loaded: ReadonlySet<string>): ModuleOrder {
  const load: PlannedModule[] = [];
  const builtin: string[] = [];
  const seen = new Set(loaded);
  const asked = new Map(requests.map((request) => [request.name, request.parameters]));

  const visit = (name: string, chain: readonly string[], optional: boolean): void => {
    if (seen.has(name) || chain.includes(name)) return;
    const file = source.file(name);
    if (file === undefined) {
      if (source.isBuiltin(name)) {
        if (asked.has(name)) builtin.push(name);
        seen.add(name);
      } else if (!optional) {
        throw notFound(name, chain, source.names());
      }
      return;
    }
    const needs = source.needs(name);
    for (const need of needs.hard) visit(need, [...chain, name], false);
    for (const need of needs.soft) visit(need, [...chain, name], true);
    seen.add(name);
    load.push({ name, parameters: asked.get(name) ?? '', file });
  };
  for (const request of requests) visit(request.name, [], false);
  return { load, builtin };
}

function notFound(name: string, chain: readonly string[], names: readonly string[]): BuildError {
  const wantedBy = chain.at(-1);
  const near = names.filter((other) => other.includes(name) || name.includes(other)).sort().slice(0, 5);
  return new BuildError('module_not_found', `the kernel has no module ${name}${wantedBy === undefined ? '' : ` (needed by ${wantedBy})`}`, {
    remedy: near.length > 0 ? `it has ${near.join(', ')}` : 'choose a kernel that has it with --kernel',
  });
}
