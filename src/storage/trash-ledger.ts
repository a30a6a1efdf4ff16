import { join } from 'node:path';
import type { FoundResource, LedgerKind } from '../core/ports/ledger.ts';
import type { Trash } from '../core/ports/storage.ts';
import type { StorageFiles } from './storage-files.ts';

/** What waits to be removed. Mark: it lies in the daemon's trash directory. It belongs to nobody but the daemon. */
export class TrashLedger implements LedgerKind {
  readonly kind = 'trash';
  readonly #directory: string;
  readonly #files: StorageFiles;
  readonly #trash: Trash;

  constructor(directory: string, files: StorageFiles, trash: Trash) {
    this.#directory = directory;
    this.#files = files;
    this.#trash = trash;
  }

  async find(): Promise<readonly FoundResource[]> {
    const names = (await this.#files.list(this.#directory)) ?? [];
    return names.map((name): FoundResource => ({ kind: 'trash', name: join(this.#directory, name), owner: undefined, containerId: undefined, attributes: {} }));
  }

  /** Has it emptied; that goes on in the background. */
  async remove(): Promise<void> {
    this.#trash.empty(this.#directory);
  }
}
