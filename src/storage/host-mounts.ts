import { normalize } from 'node:path';
import { invalidRequest } from '../core/model/errors.ts';
import type { FieldViolation } from '../core/model/errors.ts';
import type { MountSpec } from '../core/model/sandbox-spec.ts';
import type { BindCall, WaitOptions } from '../core/ports/host.ts';
import type { HostMount, HostMounts, RootfsPlace } from '../core/ports/storage.ts';
import { isAtOrBelow } from './mount-table.ts';
import type { Mounter } from './mounter.ts';
import { errnoOf } from './storage-files.ts';
import type { StorageFiles } from './storage-files.ts';

export interface BindMountOptions {
  readonly mounter: Mounter;
  readonly files: StorageFiles;
  /** What may be shown: these directories and what is below them, after every link. */
  readonly roots: readonly string[];
}

type BindSpec = Extract<MountSpec, { kind: 'bind' }>;

/** The kernel's own file systems: in a guest they would show the host's processes and devices, and nothing that works. */
const KERNEL_TREES = ['/proc', '/sys', '/dev'];

/** Directories and files of the host, bound into a sandbox's share for one of its containers. */
export class BindMounts implements HostMounts {
  readonly #options: BindMountOptions;

  constructor(options: BindMountOptions) {
    this.#options = options;
  }

  async resolve(mounts: readonly MountSpec[]): Promise<readonly HostMount[]> {
    const violations: FieldViolation[] = [];
    const found: HostMount[] = [];
    for (const [index, mount] of mounts.entries()) {
      if (mount.kind !== 'bind') continue;
      const source = await this.#source(mount);
      if ('problem' in source) violations.push({ field: `spec.mounts[${index}].bind.source`, description: source.problem });
      else found.push({ index, source: source.path, subPath: '', readOnly: mount.readOnly, recursive: mount.recursive, propagation: mount.propagation });
    }
    if (violations.length > 0) throw invalidRequest(violations);
    return found;
  }

  async prepare(place: RootfsPlace, mounts: readonly HostMount[], options: WaitOptions = {}): Promise<void> {
    if (mounts.length === 0) return;
    const { files, mounter } = this.#options;
    const directory = directoryOf(place);
    await files.makeDirectory(directory);
    const present = new Set((await mounter.table()).map(({ mountPoint }) => mountPoint));
    const calls = mounts.map((mount) => bindCall(directory, mount)).filter(({ target }) => !present.has(target));
    if (calls.length > 0) await mounter.bind(calls, options);
  }

  async remove(place: RootfsPlace): Promise<void> {
    const { files, mounter } = this.#options;
    const directory = directoryOf(place);
    const names = await files.list(directory);
    if (names === undefined) return;
    await mounter.unmountAll(directory);
    // Empty mount points by now. Neither call goes into anything.
    for (const name of names) {
      const path = `${directory}/${name}`;
      if ((await files.inspect(path))?.kind === 'directory') await files.removeDirectory(path);
      else await files.unlink(path);
    }
    await files.removeDirectory(directory);
  }

  async #source({ source }: BindSpec): Promise<{ readonly path: string } | { readonly problem: string }> {
    const { files, roots } = this.#options;
    let path: string;
    try {
      path = await files.realPath(normalize(source));
    } catch (error) {
      return { problem: errnoOf(error) === 'ENOENT' ? `${source} does not exist on the daemon's host` : error instanceof Error ? error.message : String(error) };
    }
    const named = path === normalize(source) ? path : `${source} (${path})`;
    if (KERNEL_TREES.some((tree) => isAtOrBelow(path, tree))) return { problem: `${named} belongs to the host's kernel; the guest has its own` };
    if (!roots.some((root) => isAtOrBelow(path, root))) return { problem: `${named} is not below ${roots.join(' or ')}, what the daemon's bind_roots allow` };
    const kind = (await files.inspect(path))?.kind;
    return kind === 'directory' || kind === 'file' ? { path } : { problem: `${named} is a socket, a FIFO or a device: its other end is in the host's kernel, where the guest does not reach` };
  }
}

function directoryOf(place: RootfsPlace): string {
  return `${place.shareDir}/${place.containerId}/mounts`;
}

function bindCall(directory: string, { index, source, subPath, readOnly, recursive, propagation }: HostMount): BindCall {
  return { source, subPath, target: `${directory}/${index}`, attributes: readOnly ? ['ro'] : [], propagation, recursive };
}
