import type { FoundResource, LedgerKind } from '../../core/ports/ledger.ts';
import type { VolumeStore } from '../../core/ports/volumes.ts';

export interface VolumeLedgerParts {
  readonly store: Pick<VolumeStore, 'volumes' | 'pathOf' | 'strays' | 'discard' | 'remove'>;
  readonly isUsed: (name: string) => boolean;
}

/** Volumes, and what lies among them and is none. Mark: they lie in the daemon's directory of volumes. They belong to nobody but the daemon. */
export class VolumeLedger implements LedgerKind {
  readonly kind = 'volume';
  readonly #parts: VolumeLedgerParts;

  constructor(parts: VolumeLedgerParts) {
    this.#parts = parts;
  }

  async find(): Promise<readonly FoundResource[]> {
    const { store, isUsed } = this.#parts;
    const strays = (await store.strays()).map(({ path, unreadable }) => found(path, { standing: unreadable ? 'unreadable' : 'half-made' }));
    return [...store.volumes.map((volume) => found(store.pathOf(volume), { standing: volume.removed && !isUsed(volume.name) ? 'passing' : 'kept', volume: volume.name, type: volume.kind })), ...strays];
  }

  /** Never one that a container uses by now, and never one whose record can't be read. */
  async remove({ name, attributes }: FoundResource): Promise<void> {
    const { store, isUsed } = this.#parts;
    const { volume } = attributes;
    if (volume !== undefined) {
      await store.remove(volume, () => isUsed(volume));
      return;
    }
    const stray = (await store.strays()).find(({ path, unreadable }) => path === name && !unreadable);
    if (stray !== undefined) await store.discard(stray);
  }
}

function found(name: string, attributes: Readonly<Record<string, string>>): FoundResource {
  return { kind: 'volume', name, owner: undefined, containerId: undefined, attributes };
}
