import { join } from 'node:path';
import { DomainError } from '../../core/model/errors.ts';
import type { ProcessRunner, WaitOptions } from '../../core/ports/host.ts';
import type { RootfsPlace } from '../../core/ports/storage.ts';
import type { VolumeFiller } from '../../core/ports/volumes.ts';
import type { LayerLinks } from '../layer-links.ts';
import type { Mounter } from '../mounter.ts';
import { escapeOverlayPath } from '../overlay-mount.ts';
import { errnoOf } from '../storage-files.ts';
import type { StorageFiles } from '../storage-files.ts';
import { findDirectoryBelow } from '../volume-directories.ts';

export interface ImageFillerParts {
  readonly mounter: Mounter;
  readonly files: Pick<StorageFiles, 'makeDirectory' | 'removeDirectory' | 'removeTree' | 'list' | 'rename'>;
  readonly links: LayerLinks;
  readonly runner: ProcessRunner;
}

/** Gigabytes on a slow disk. */
const COPY_MS = 10 * 60_000;

/**
 * Copies out of the image's layers and not out of a container's mounted root file system: that one is shown to a guest, which could exchange names while
 * they are followed. Layers are written to by nobody.
 */
export class ImageFiller implements VolumeFiller {
  readonly #parts: ImageFillerParts;

  constructor(parts: ImageFillerParts) {
    this.#parts = parts;
  }

  async fill(place: RootfsPlace, { lowers, path }: { readonly lowers: readonly string[]; readonly path: string }, directory: string, options: WaitOptions = {}): Promise<void> {
    if (((await this.#parts.files.list(directory)) ?? ['']).length > 0) return;
    await using view = await this.#view(place, lowers, options);
    const found = await findDirectoryBelow(view.root, path);
    if (found !== undefined) await this.#copy(`${view.root}${found}/.`, directory, options);
  }

  async #copy(from: string, directory: string, { signal }: WaitOptions): Promise<void> {
    const { files, runner } = this.#parts;
    const copy = `${directory}.filling`;
    await files.removeTree(copy);
    await files.makeDirectory(copy);
    const { code, stderr } = await runner.run('cp', ['--archive', '--reflink=auto', '--', from, copy], { timeoutMs: COPY_MS, signal });
    if (code !== 0) {
      await files.removeTree(copy);
      const full = /No space left|Disk quota/.test(stderr);
      throw new DomainError(full ? 'STORAGE_FULL' : 'ROOTFS_FAILED', `what the image has could not be copied into the volume: ${stderr.trim().split('\n').at(-1) ?? ''}`, { remedy: full ? 'free space in the state directory' : 'mount the volume without a copy (volume-nocopy)' });
    }
    try {
      await files.rename(copy, directory);
    } catch (error) {
      await files.removeTree(copy);
      // Somebody has written into it meanwhile.
      if (errnoOf(error) !== 'ENOTEMPTY' && errnoOf(error) !== 'EEXIST') throw error;
    }
  }

  /** The layers as one directory: a mount of the container's own, read-only for want of a directory to write to. */
  async #view({ stateDir }: RootfsPlace, lowers: readonly string[], options: WaitOptions): Promise<AsyncDisposable & { readonly root: string }> {
    const [only = '', ...below] = lowers;
    if (below.length === 0) return { root: only, [Symbol.asyncDispose]: async () => undefined };
    const { mounter, files, links } = this.#parts;
    const root = join(stateDir, 'image');
    await files.makeDirectory(root);
    await mounter.unmountAll(root);
    await using short = await links.make(lowers);
    await mounter.mount([{ source: 'overlay', target: root, fsType: 'overlay', flags: ['ro'], data: `lowerdir=${short.paths.map(escapeOverlayPath).join(':')}` }], options);
    return {
      root,
      [Symbol.asyncDispose]: async () => {
        await mounter.unmountAll(root);
        await files.removeDirectory(root);
      },
    };
  }
}
