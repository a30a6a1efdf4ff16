import type { GracePeriod } from '../../base/grace-period.ts';
import { toDomainError } from '../../core/model/errors.ts';
import type { ImageLibrary, ImageParts, StoredPart } from '../../core/ports/images.ts';
import type { Logger } from '../../core/ports/telemetry.ts';
import type { ImageUses } from './image-uses.ts';

export interface ImageSweepParts {
  readonly library: ImageLibrary;
  readonly store: ImageParts;
  readonly uses: () => ImageUses;
  /** Who is inside has resolved an image, and its container is not on record yet. */
  readonly resolving: GracePeriod;
  readonly log: Logger;
}

/** What is removed besides layers that nobody needs. */
export interface SweepWish {
  /** What given-up pulls have fetched: the next one would go on with it. */
  readonly fetched: boolean;
}

/** `cache`: fetched by a pull that was given up, or half of it; the next one would go on with it. `unknown`: a record that can't be read may need it. */
export type PartStanding = 'needed' | 'cache' | 'needless' | 'unknown';

/**
 * Removes what no image and no container needs. What can't be judged stays: while the record of an image or of a sandbox can't be read, nobody knows
 * which layers it names.
 */
export class ImageSweep {
  readonly #parts: ImageSweepParts;
  #wish: SweepWish = { fetched: false };

  constructor(parts: ImageSweepParts) {
    this.#parts = parts;
  }

  /** For the next run. */
  wish(wish: SweepWish): void {
    this.#wish = { fetched: this.#wish.fetched || wish.fetched };
  }

  /** The bytes that left the store. Never rejects: what fails is logged and done the next time. */
  async run(): Promise<number> {
    const { log } = this.#parts;
    try {
      return await this.#run();
    } catch (error) {
      const { reason, message } = toDomainError(error);
      log.warn({ reason, error: message }, 'the images were not swept');
      return 0;
    }
  }

  async #run(): Promise<number> {
    const { store, resolving, log } = this.#parts;
    const wish = this.#wish;
    await resolving.passed();
    const problems = this.#unreadable();
    if (problems.length > 0) {
      log.warn({ unreadable: problems.slice(0, 5) }, 'layers are kept while there are records that can not be read');
      return 0;
    }
    await this.#forget();
    if (this.#needless(await store.list(), wish).length === 0) return this.#done(0);
    const freed = await store.exclusively(async () => {
      const needless = this.#needless(await store.list(), wish);
      await store.discard(needless);
      return needless.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    });
    if (freed === undefined) {
      log.warn({}, 'an image tool of an earlier daemon is still at work; its store is swept later');
      return 0;
    }
    return this.#done(freed);
  }

  #done(freed: number): number {
    this.#wish = { fetched: false };
    return freed;
  }

  #unreadable(): readonly string[] {
    return [...this.#parts.library.unreadable, ...this.#parts.uses().unreadable];
  }

  /** Images whose last name was taken away and whose last container is gone. */
  async #forget(): Promise<void> {
    const { library, uses } = this.#parts;
    const { images } = uses();
    for (const { record, names } of library.images) {
      if (record.removed && names.length === 0 && !images.has(record.id)) await library.forget(record.id);
    }
  }

  #needless(parts: readonly StoredPart[], wish: SweepWish): readonly StoredPart[] {
    const standingOf = this.standings();
    return parts.filter((part) => {
      const standing = standingOf(part);
      return standing === 'needless' || (wish.fetched && standing === 'cache');
    });
  }

  /** Judges parts of the store by what is on record now. */
  standings(): (part: StoredPart) => PartStanding {
    const { library, uses } = this.#parts;
    const records = library.images.map(({ record }) => record);
    const layers = new Set([...records.flatMap((record) => record.layers.map(({ chainId }) => chainId)), ...uses().layers]);
    const described = new Set(records.flatMap(({ id, manifestDigest }) => [id, manifestDigest]));
    const unpacked = new Set(records.flatMap((record) => record.layers.map(({ digest }) => digest)));
    const unknown = this.#unreadable().length > 0;
    const { disks } = uses();
    return ({ kind, id, path }) => {
      switch (kind) {
        case 'layer':
          return layers.has(id) ? 'needed' : unknown ? 'unknown' : 'needless';
        case 'blob':
          return unpacked.has(id) ? 'needless' : described.has(id) ? 'needed' : 'cache';
        case 'partial':
          return unpacked.has(id) ? 'needless' : 'cache';
        case 'disk':
          if (described.has(id) || disks.has(path)) return 'needed';
          // Of an image that came with the installation, or an empty one: made again in a moment.
          return id.startsWith('sha256:') ? (unknown ? 'unknown' : 'needless') : 'cache';
        case 'work':
          return 'needless';
      }
    };
  }
}
