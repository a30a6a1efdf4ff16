import { parseContainerId, parseSandboxId, shortId, type InstanceId } from './ids.ts';

/** By what one daemon's resources are told from everything else on the host. Paths without a slash at their end. */
export interface InstanceMarks {
  readonly instance: InstanceId;
  /** Directory of the sandboxes' run directories, each named by its short id. */
  readonly runs: string;
  /** Directory of the sandboxes' lasting state, each named by its full id. */
  readonly sandboxes: string;
}

/** Whose a resource is, as its own mark tells it. */
export interface MarkedOwner {
  /** Short id of the sandbox. */
  readonly owner: string;
  readonly containerId: string | undefined;
}

/** The directories of a run directory that show containers' root file systems. Nothing of the daemon's own lies below them. */
export const SHARE_VIEWS: ReadonlySet<string> = new Set(['shared', 'export']);

const INSTANCE = 'VIVARIUM_INSTANCE';
const SANDBOX = 'VIVARIUM_SANDBOX';
const LAUNCH = 'VIVARIUM_LAUNCH';

/** Whose a path is, by the directory that it lies in; undefined for one that is not below this daemon's directories of sandboxes. */
export function ownerOfPath(marks: InstanceMarks, path: string): MarkedOwner | undefined {
  const [short, view, inView] = partsBelow(marks.runs, path);
  if (short !== undefined) return { owner: short, containerId: view !== undefined && SHARE_VIEWS.has(view) ? parseContainerId(inView ?? '') : undefined };
  const [id, containers, container] = partsBelow(marks.sandboxes, path);
  if (id === undefined || parseSandboxId(id) === undefined) return undefined;
  return { owner: shortId(id), containerId: containers === 'containers' ? parseContainerId(container ?? '') : undefined };
}

/** The environment of everything that a launcher starts in a directory of this daemon. Empty for a directory that is no sandbox's. */
export function launchEnvironment(marks: InstanceMarks, directory: string): Readonly<Record<string, string>> {
  const owner = ownerOfPath(marks, directory)?.owner;
  return owner === undefined ? {} : { [INSTANCE]: marks.instance, [SANDBOX]: owner, [LAUNCH]: directory };
}

export interface ProcessMark {
  readonly owner: string | undefined;
  /** The launcher's directory; undefined when the environment does not tell. */
  readonly launch: string | undefined;
}

/**
 * Reads a text of /proc/PID/environ. Undefined when it is not this instance's. Instance ids are short, so a launch directory that is
 * not ours tells that another daemon drew the same one.
 */
export function readEnvironmentMark(marks: InstanceMarks, environ: string): ProcessMark | undefined {
  const variables = new Map(environ.split('\0').map((entry) => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]));
  if (variables.get(INSTANCE) !== marks.instance) return undefined;
  const launch = variables.get(LAUNCH);
  if (launch !== undefined && ownerOfPath(marks, launch) === undefined) return undefined;
  return { owner: variables.get(SANDBOX), launch };
}

/** The instance that a launcher's spec.json was written by; undefined when it does not say. */
export function instanceOfSpec(text: string): string | undefined {
  try {
    const spec: unknown = JSON.parse(text);
    if (typeof spec !== 'object' || spec === null || !('env' in spec)) return undefined;
    const { env } = spec;
    if (typeof env !== 'object' || env === null) return undefined;
    const value: unknown = (env as Readonly<Record<string, unknown>>)[INSTANCE];
    return typeof value === 'string' ? value : undefined;
  } catch {
    // Half written: it says nothing.
    return undefined;
  }
}

function partsBelow(directory: string, path: string): readonly (string | undefined)[] {
  return path.startsWith(`${directory}/`) ? path.slice(directory.length + 1).split('/') : [];
}
