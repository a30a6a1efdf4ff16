import { basename, join } from 'node:path';
import { raceSignal } from '../base/abort.ts';
import type { IdSource, TreeRemoval, WaitOptions } from '../core/ports/host.ts';
import type { Trash } from '../core/ports/storage.ts';
import type { Logger } from '../core/ports/telemetry.ts';
import { errnoOf, MISSING } from './storage-files.ts';
import type { StorageFiles } from './storage-files.ts';

export interface TrashOptions {
  readonly files: StorageFiles;
  readonly removal: TreeRemoval;
  readonly ids: IdSource;
  readonly logger: Logger;
}

/** So many entries a request: a stop of the daemon waits for little. */
const BATCH = 32;

/**
 * Trash directories, emptied one after the other by another process, so neither the event loop nor Node's few file threads carry the load.
 * What a crash leaves is found again by the next `empty` of the same directory. Nothing is removed through a mount.
 */
export class BackgroundTrash implements Trash {
  readonly #options: TrashOptions;
  readonly #waiting = new Set<string>();
  #work: Promise<void> | undefined;

  constructor(options: TrashOptions) {
    this.#options = options;
  }

  async discard(path: string, trashDir: string): Promise<void> {
    const { files, ids } = this.#options;
    await files.makeDirectory(trashDir);
    try {
      await files.rename(path, join(trashDir, `${basename(path)}-${ids.id()}`));
    } catch (error) {
      if (MISSING.has(errnoOf(error))) return;
      if (errnoOf(error) !== 'EXDEV') throw error;
      // On another file system it can't be moved: slower, with the same end.
      await files.removeTree(path);
    }
  }

  empty(trashDir: string): void {
    this.#waiting.add(trashDir);
    this.#work ??= this.#run();
  }

  async settled(options: WaitOptions = {}): Promise<void> {
    while (this.#work !== undefined) await raceSignal(this.#work, options.signal);
  }

  async #run(): Promise<void> {
    // The caller's own turn ends first: `empty` never does work itself.
    await Promise.resolve();
    for (const trashDir of this.#waiting) {
      this.#waiting.delete(trashDir);
      try {
        await this.#emptyOne(trashDir);
      } catch (error) {
        this.#options.logger.warn({ trashDir, error: String(error) }, 'trash stays until it is emptied again');
      }
    }
    this.#work = undefined;
  }

  async #emptyOne(trashDir: string): Promise<void> {
    const { files, removal } = this.#options;
    const refused = new Set<string>();
    for (;;) {
      const names = ((await files.list(trashDir)) ?? []).filter((name) => !refused.has(name)).slice(0, BATCH);
      if (names.length === 0) return;
      const paths = names.map((name) => join(trashDir, name));
      const failure = await removal.removeTrees(paths);
      if (failure === undefined) continue;
      const left = new Set(await files.list(trashDir));
      for (const name of names) if (left.has(name)) refused.add(name);
      this.#options.logger.warn({ trashDir, ...failure }, 'some trash could not be removed');
    }
  }
}
