import { DomainError } from '../../core/model/errors.ts';
import type { StoredPart } from '../../core/ports/images.ts';
import type { FoundResource, LedgerKind } from '../../core/ports/ledger.ts';

export interface ImageLedgerParts {
  /** Everything in the store, and who needs it: `needed`, `cache`, `under-way` or `needless`. */
  readonly inventory: () => Promise<readonly { readonly part: StoredPart; readonly standing: string }[]>;
  /** Removes what nobody needs, as far as no image tool is at work. */
  readonly sweep: () => Promise<unknown>;
}

/** Layers, blobs and halves of them in the image store. Mark: they lie in it. They belong to nobody but the daemon. */
export class ImageLedger implements LedgerKind {
  readonly kind = 'image';
  readonly #parts: ImageLedgerParts;

  constructor(parts: ImageLedgerParts) {
    this.#parts = parts;
  }

  async find(): Promise<readonly FoundResource[]> {
    return (await this.#parts.inventory()).map(({ part, standing }): FoundResource => ({
      kind: 'image', name: part.path, owner: undefined, containerId: undefined, attributes: { part: part.kind, standing, bytes: String(part.sizeBytes) },
    }));
  }

  async remove(found: FoundResource): Promise<void> {
    await this.#parts.sweep();
    const left = (await this.#parts.inventory()).find(({ part, standing }) => part.path === found.name && standing === 'needless');
    if (left !== undefined) throw new DomainError('HOST_RESOURCE', `${found.name} was not removed; the daemon's log says why`, { remedy: 'try again when no pull is under way' });
  }
}
