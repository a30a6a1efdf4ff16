import { join } from 'node:path';
import { DomainError } from '../../core/model/errors.ts';
import { parseImageReference, familiarName } from '../../core/model/image-reference.ts';
import { shortImageId, unpackedBytes } from '../../core/model/image.ts';
import type { ImageLibrary, NamedImage } from '../../core/ports/images.ts';
import type { ImageConfig, ImageStore } from '../../core/ports/storage.ts';

const ID_BEGINNING = /^[0-9a-f]{4,63}$/;

/** Images that were pulled or imported, and those that came with the installation. A name of the first wins over one of the second. */
export class KnownImages implements ImageStore {
  readonly #library: ImageLibrary;
  readonly #embedded: ImageStore;
  readonly #store: string;

  /** `store` is the image tool's. */
  constructor(library: ImageLibrary, embedded: ImageStore, store: string) {
    this.#library = library;
    this.#embedded = embedded;
    this.#store = store;
  }

  async resolve(name: string): Promise<ImageConfig> {
    const found = this.#found(name);
    // What looks like the beginning of an id may be the name of an embedded one.
    const named = found?.names.includes(parseImageReference(name)?.full ?? '') === true;
    if (found !== undefined && (named || !ID_BEGINNING.test(name))) return this.#configOf(found);
    try {
      return await this.#embedded.resolve(name);
    } catch (error) {
      if (!(error instanceof DomainError) || error.reason !== 'IMAGE_NOT_FOUND') throw error;
      if (found !== undefined) return this.#configOf(found);
      throw new DomainError('IMAGE_NOT_FOUND', error.message, { facts: { image: name }, remedy: `pull it (viv pull ${name}), or use one that is here (viv image ls)` });
    }
  }

  async kept(id: string): Promise<ImageConfig> {
    const found = this.#library.get(id);
    if (found !== undefined) return this.#configOf(found);
    throw new DomainError('IMAGE_NOT_FOUND', `the record of image ${id} is missing`, { facts: { image: id }, remedy: 'pull or import the image again' });
  }

  async list(): Promise<readonly ImageConfig[]> {
    const pulled = this.#library.images.filter(({ record }) => !record.removed).map((image) => this.#configOf(image));
    return [...pulled, ...(await this.#embedded.list())];
  }

  #found(name: string): NamedImage | undefined {
    const found = this.#library.find(name);
    return found?.record.removed === true ? undefined : found;
  }

  #configOf(pulled: NamedImage): ImageConfig {
    const { record, names } = pulled;
    const { settings } = record;
    const reference = parseImageReference(names[0] ?? '');
    return {
      name: reference === undefined ? shortImageId(record.id) : familiarName(reference),
      digest: record.id,
      lowers: record.layers.map(({ chainId }) => join(this.#store, 'layers', chainId.replace(':', '/'), 'fs')).reverse(),
      entrypoint: settings.entrypoint,
      command: settings.command,
      env: settings.env,
      workingDir: settings.workingDir === '' ? '/' : settings.workingDir,
      user: settings.user,
      stopSignal: settings.stopSignal,
      volumes: settings.volumes,
      sizeBytes: unpackedBytes(record.layers),
      source: record.source,
      pulled,
    };
  }
}
