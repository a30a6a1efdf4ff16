import type { RootfsDisks } from '../../core/model/container-rootfs.ts';
import { DomainError } from '../../core/model/errors.ts';
import type { SandboxRecord } from '../../core/model/record.ts';

/** So many disks fit on one controller's first target by the addresses that every driver knows. */
const MOST_UNITS = 256;

/** The numbers of disks on one VM's controller: those that its containers' records have, and those that are promised to containers that no record has yet. */
export class DiskUnits {
  readonly #promised = new Map<string, RootfsDisks>();
  #last = -1;

  /** The image's number if another container has that image, and a number of its own. CAPACITY_EXHAUSTED. */
  promise(record: SandboxRecord, containerId: string, paths: { readonly image: string; readonly own: string }): RootfsDisks {
    const others = this.#others(record, containerId);
    const taken = new Set(others.flatMap(({ image, own }) => [image.unit, own.unit]));
    const shared = others.find(({ image }) => image.path === paths.image)?.image;
    const image = shared ?? { unit: this.#next(taken, record), path: paths.image };
    const disks = { image, own: { unit: this.#next(taken.add(image.unit), record), path: paths.own } };
    this.#promised.set(containerId, disks);
    return disks;
  }

  /** Its record has them, or it came to nothing. */
  settled(containerId: string): void {
    this.#promised.delete(containerId);
  }

  /** No other container has this image. */
  isLast(record: SandboxRecord, containerId: string, { image }: RootfsDisks): boolean {
    return !this.#others(record, containerId).some((other) => other.image.unit === image.unit);
  }

  #others(record: SandboxRecord, containerId: string): readonly RootfsDisks[] {
    const recorded = record.containers.flatMap(({ id, rootfs: { disks } }) => (id === containerId || disks === undefined ? [] : [disks]));
    return [...recorded, ...[...this.#promised].filter(([id]) => id !== containerId).map(([, disks]) => disks)];
  }

  /** Round and round: a guest may take a moment to forget a disk, and whatever has its number next must not be taken for it. */
  #next(taken: ReadonlySet<number>, record: SandboxRecord): number {
    for (let step = 1; step <= MOST_UNITS; step += 1) {
      const unit = (this.#last + step) % MOST_UNITS;
      if (!taken.has(unit)) {
        this.#last = unit;
        return unit;
      }
    }
    throw new DomainError('CAPACITY_EXHAUSTED', `all ${MOST_UNITS} disks of the VM are taken`, { sandboxId: record.id, remedy: 'delete containers that have ended, or use another sandbox', facts: { limit: String(MOST_UNITS) } });
  }
}
