import { join } from 'node:path';
import { DomainError } from '../core/model/errors.ts';
import type { ImageConfig, ImageStore } from '../core/ports/storage.ts';
import { parseImageConfig } from './image-config.ts';
import { errnoOf, MISSING } from './storage-files.ts';
import type { StorageFiles } from './storage-files.ts';

const LARGEST_IMAGE_JSON = 1024 * 1024;
/** A name is one directory: no separators, no leading dot. A tag or digest is part of the name that was given when the image was made. */
const IMAGE_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.:@-]{0,254}$/;

/** Images as directories: `DIR/NAME/{rootfs/,image.json}`. With several directories the first that has a name wins. */
export class DirectoryImageStore implements ImageStore {
  readonly #directories: readonly string[];
  readonly #files: StorageFiles;

  constructor(directories: readonly string[], files: StorageFiles) {
    this.#directories = directories;
    this.#files = files;
  }

  async resolve(name: string): Promise<ImageConfig> {
    const wanted = name.endsWith(':latest') ? name.slice(0, -':latest'.length) : name;
    if (IMAGE_NAME.test(wanted)) {
      for (const directory of this.#directories) {
        const found = await this.#read(directory, wanted);
        if (found !== undefined) return found;
      }
    }
    const names = await this.#names();
    throw new DomainError('IMAGE_NOT_FOUND', `there is no image "${name}"`, {
      remedy: names.length === 0 ? 'no image is installed; build the embedded one with `make build`' : `use one of: ${names.join(', ')}`,
      facts: { image: name, available: names.join(',') },
    });
  }

  async kept(id: string): Promise<ImageConfig> {
    return await this.resolve(id);
  }

  async list(): Promise<readonly ImageConfig[]> {
    const found = new Map<string, ImageConfig>();
    for (const directory of this.#directories) {
      for (const name of await this.#candidates(directory)) {
        if (found.has(name)) continue;
        const image = await this.#readable(directory, name);
        if (image !== undefined) found.set(name, image);
      }
    }
    return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async #names(): Promise<readonly string[]> {
    return (await this.list()).map((image) => image.name);
  }

  /** What can't be read is told by `resolve`, when it is asked for; it must not hide the others. */
  async #readable(directory: string, name: string): Promise<ImageConfig | undefined> {
    try {
      return await this.#read(directory, name);
    } catch (error) {
      if (error instanceof DomainError) return undefined;
      throw error;
    }
  }

  async #candidates(directory: string): Promise<readonly string[]> {
    return ((await this.#files.list(directory)) ?? []).filter((name) => IMAGE_NAME.test(name));
  }

  /** Links resolved: a name may point at the newest of several builds, and a container keeps the one that it started from. */
  async #home(directory: string, name: string): Promise<string | undefined> {
    try {
      return await this.#files.realPath(join(directory, name));
    } catch (error) {
      if (MISSING.has(errnoOf(error))) return undefined;
      throw error;
    }
  }

  async #read(directory: string, name: string): Promise<ImageConfig | undefined> {
    const home = await this.#home(directory, name);
    if (home === undefined) return undefined;
    const rootfs = join(home, 'rootfs');
    const text = await this.#files.readText(join(home, 'image.json'), LARGEST_IMAGE_JSON);
    if (text === undefined) return undefined;
    try {
      if ((await this.#files.inspect(rootfs))?.kind !== 'directory') throw new Error('it has no rootfs directory');
      return parseImageConfig(text, { name, rootfs });
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      throw new DomainError('ROOTFS_FAILED', `image "${name}" in ${home} can't be used: ${message}`, { cause: error, remedy: 'build or pull the image again' });
    }
  }
}
