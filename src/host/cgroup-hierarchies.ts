import { access, constants, realpath } from 'node:fs/promises';
import { basename, join } from 'node:path';

/**
 * Controllers of version 1 that groups are made in. Not `cpu`: without weights of its own (which come with limits) a group there has the weight of
 * one process of its parent's, and all sandboxes together would get as much of a busy host as a single one of its other processes.
 */
const V1_CONTROLLERS = ['memory', 'pids'] as const;
/** Of version 2, the same for the same reason; in a subtree of ours `cpu` as well: there sandboxes share by weight what the subtree was given. */
const V2_CONTROLLERS = ['memory', 'pids'] as const;
const GIVEN_CONTROLLERS = ['cpu', ...V2_CONTROLLERS] as const;

/** The unit by which systemd gives us a subtree (packaging/systemd), below the root. */
export const GIVEN_SUBTREE = 'vivarium.slice/vivarium-sandboxes.service';

export interface Hierarchies {
  readonly version: 1 | 2;
  /** Directories in which groups can be made. */
  readonly directories: readonly string[];
  /** Of version 2: what groups there are to be counted by, beside what every group is. */
  readonly controllers: readonly string[];
  /** Why there is none, for a person; else empty. */
  readonly problem: string;
}

/**
 * cgroups(7): a tree of version 2 at the root, in it the subtree that a service manager gave us, if it did; else those of version 1, whatever else
 * (`unified`) is mounted beside them. Never rejects.
 */
export async function findHierarchies(root: string): Promise<Hierarchies> {
  const unified = await exists(join(root, 'cgroup.controllers'));
  const given = unified && (await exists(join(root, GIVEN_SUBTREE, 'cgroup.controllers')));
  const mounted = given ? [join(root, GIVEN_SUBTREE)] : unified ? [root] : await mountedV1(root);
  const controllers = given ? GIVEN_CONTROLLERS : unified ? V2_CONTROLLERS : [];
  if (mounted.length === 0) return { version: 1, directories: [], controllers, problem: `no control groups are mounted below ${root}` };
  const refusals = await Promise.all(mounted.map(refusal));
  const directories = mounted.filter((_, index) => refusals[index] === undefined);
  const problem = directories.length > 0 ? '' : `control groups can not be made: ${refusals.find((text) => text !== undefined) ?? ''}`;
  return { version: unified ? 2 : 1, directories, controllers, problem };
}

/** Controllers may be mounted together, and be links to the place where they are (`pids -> memory,pids`). */
async function mountedV1(root: string): Promise<readonly string[]> {
  const found = await Promise.all(V1_CONTROLLERS.map(async (controller) => {
    const path = await realpath(join(root, controller)).catch(() => undefined);
    return path !== undefined && (await exists(join(path, 'cgroup.procs'))) ? join(root, basename(path)) : undefined;
  }));
  return [...new Set(found.filter((path) => path !== undefined))];
}

async function refusal(directory: string): Promise<string | undefined> {
  return await access(directory, constants.W_OK).then(() => undefined, String);
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(() => true, () => false);
}
