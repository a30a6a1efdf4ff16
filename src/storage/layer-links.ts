import { join } from 'node:path';
import type { StorageFiles } from './storage-files.ts';

export interface ShortPaths extends AsyncDisposable {
  readonly paths: readonly string[];
}

/** Short names for long paths, for as long as one mount(2) takes: `DIR/7/0`, `DIR/7/1`. */
export class LayerLinks {
  readonly #directory: string;
  readonly #files: Pick<StorageFiles, 'makeDirectory' | 'removeTree' | 'link'>;
  #made = 0;

  /** What is in the directory is an earlier daemon's. */
  constructor(directory: string, files: Pick<StorageFiles, 'makeDirectory' | 'removeTree' | 'link'>) {
    this.#directory = directory;
    this.#files = files;
  }

  /** Dispose of the result to remove them. */
  async make(targets: readonly string[]): Promise<ShortPaths> {
    const files = this.#files;
    if (this.#made === 0) await files.removeTree(this.#directory);
    this.#made += 1;
    const place = join(this.#directory, this.#made.toString(36));
    const paths = targets.map((_, index) => join(place, index.toString(36)));
    await files.makeDirectory(place);
    for (const [index, target] of targets.entries()) await files.link(target, paths[index] ?? '');
    return { paths, [Symbol.asyncDispose]: () => files.removeTree(place) };
  }
}
