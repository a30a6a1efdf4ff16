import { dirname, join } from 'node:path';
import { DomainError } from '../core/model/errors.ts';
import type { WaitOptions } from '../core/ports/host.ts';
import type { Rootfs, RootfsDriver, RootfsPlace, Trash } from '../core/ports/storage.ts';
import type { LayerLinks } from './layer-links.ts';
import { mountAt } from './mount-table.ts';
import type { Mounter } from './mounter.ts';
import { mountOverlay } from './overlay-mount.ts';
import { errnoOf, FULL, MISSING } from './storage-files.ts';
import type { StorageFiles } from './storage-files.ts';

export interface OverlayRootfsOptions {
  readonly mounter: Mounter;
  readonly files: StorageFiles;
  readonly trash: Trash;
  readonly links: LayerLinks;
}

/** Each container's root file system: an overlay whose writable half lies on the disk, mounted into the sandbox's share. */
export class OverlayRootfs implements RootfsDriver {
  readonly #options: OverlayRootfsOptions;

  constructor(options: OverlayRootfsOptions) {
    this.#options = options;
  }

  async prepare(place: RootfsPlace, lowers: readonly string[], options: WaitOptions = {}): Promise<Rootfs> {
    const { mounter } = this.#options;
    const { upper, work, target } = pathsOf(place);
    const rootfs: Rootfs = { kind: 'virtiofs', hostPath: target, guestPath: `${place.containerId}/rootfs` };
    for (const lower of lowers) await this.#checkLower(lower);
    const present = mountAt(await mounter.table(), target);
    if (present?.fsType === 'overlay') return rootfs;
    if (present !== undefined) throw new DomainError('ROOTFS_FAILED', `${target} already is a mount of type ${present.fsType}`, { remedy: `unmount ${target}` });
    // A work directory holds nothing that lasts, but the mark of an earlier volatile mount, with which the kernel refuses the next.
    await this.#options.files.removeTree(work);
    await this.#makeDirectories([upper, work, target], { lower: lowers[0] ?? '', upper });
    await mountOverlay(this.#options, target, { lowers, upper, work }, options);
    return rootfs;
  }

  async remove(place: RootfsPlace): Promise<void> {
    const { mounter, trash, files } = this.#options;
    const { upper, work, target } = pathsOf(place);
    await mounter.unmountAll(dirname(target));
    for (const directory of [upper, work]) await trash.discard(directory, place.trashDir);
    for (const directory of [target, dirname(target)]) await ignoreMissing(files.removeDirectory(directory));
    trash.empty(place.trashDir);
  }

  async #checkLower(lower: string): Promise<void> {
    const found = await this.#options.files.inspect(lower, { follow: true });
    if (found?.kind === 'directory') return;
    throw new DomainError('ROOTFS_FAILED', `${lower} is ${found === undefined ? 'missing' : 'no directory'}`, { remedy: 'name a directory with a root file system' });
  }

  async #makeDirectories(paths: readonly string[], layers: { readonly lower: string; readonly upper: string }): Promise<void> {
    const { files } = this.#options;
    try {
      for (const path of paths) await files.makeDirectory(path);
      // The upper directory stands for the container's root directory: whoever may enter that in the image may enter this.
      if ((await files.list(layers.upper))?.length === 0) await files.copyAccess(layers.lower, layers.upper);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (FULL.has(errnoOf(error))) throw new DomainError('STORAGE_FULL', message, { cause: error, remedy: 'free space in the state directory' });
      throw new DomainError('ROOTFS_FAILED', message, { cause: error });
    }
  }
}

function pathsOf(place: RootfsPlace): { upper: string; work: string; target: string } {
  return { upper: join(place.stateDir, 'upper'), work: join(place.stateDir, 'work'), target: join(place.shareDir, place.containerId, 'rootfs') };
}

async function ignoreMissing(work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!MISSING.has(errnoOf(error))) throw error;
  }
}
