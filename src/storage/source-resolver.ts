import { isAbsolute, join, normalize } from 'node:path';
import { DomainError, invalidRequest } from '../core/model/errors.ts';
import type { RootfsSource } from '../core/model/sandbox-spec.ts';
import type { ImageStore, ResolvedSource } from '../core/ports/storage.ts';
import { isJsonObject, parseJsonObject } from './json-document.ts';
import type { JsonObject } from './json-document.ts';
import { errnoOf } from './storage-files.ts';
import type { StorageFiles } from './storage-files.ts';

const LARGEST_CONFIG_JSON = 4 * 1024 * 1024;

/** Finds the directory that a container's root file system starts from, for an image, a plain directory or an OCI bundle. */
export class SourceResolver {
  readonly #images: ImageStore;
  readonly #files: StorageFiles;

  constructor(images: ImageStore, files: StorageFiles) {
    this.#images = images;
    this.#files = files;
  }

  /** IMAGE_NOT_FOUND, or INVALID_REQUEST on the field of the spec that names what is missing or wrong. */
  async resolve(source: RootfsSource, imageId = ''): Promise<ResolvedSource> {
    switch (source.kind) {
      case 'image': {
        const image = imageId === '' ? await this.#images.resolve(source.name) : await this.#images.kept(imageId);
        return { source, lowers: image.lowers, image, bundleSpec: undefined };
      }
      case 'path':
        return { source, lowers: [await this.#directory('spec.rootfs_path', source.path)], image: undefined, bundleSpec: undefined };
      case 'bundle':
        return await this.#bundle(source);
    }
  }

  async #bundle(source: { readonly kind: 'bundle'; readonly path: string }): Promise<ResolvedSource> {
    const bundle = await this.#directory('spec.bundle_path', source.path);
    const spec = await this.#config(join(bundle, 'config.json'));
    const root = spec['root'];
    const path = isJsonObject(root) ? root['path'] : undefined;
    if (typeof path !== 'string' || path === '') throw refused('spec.bundle_path', 'config.json has no root.path');
    const lower = await this.#directory('spec.bundle_path', isAbsolute(path) ? path : join(bundle, path));
    return { source, lowers: [lower], image: undefined, bundleSpec: spec };
  }

  async #config(path: string): Promise<JsonObject> {
    let text: string | undefined;
    try {
      text = await this.#files.readText(path, LARGEST_CONFIG_JSON);
    } catch (error) {
      throw refused('spec.bundle_path', error instanceof Error ? error.message : String(error));
    }
    if (text === undefined) throw refused('spec.bundle_path', `${path} is missing: an OCI bundle has a config.json`);
    try {
      return checkVersion(parseJsonObject(text));
    } catch (error) {
      if (error instanceof DomainError) throw error;
      throw refused('spec.bundle_path', `${path}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  /** The path with every link resolved, so that what is mounted is what was looked at. */
  async #directory(field: string, path: string): Promise<string> {
    if (!isAbsolute(path)) throw refused(field, `"${path}" is not absolute`);
    let real: string;
    try {
      real = await this.#files.realPath(normalize(path));
    } catch (error) {
      throw refused(field, errnoOf(error) === 'ENOENT' ? `${path} does not exist` : error instanceof Error ? error.message : String(error));
    }
    if ((await this.#files.inspect(real))?.kind !== 'directory') throw refused(field, `${path} is not a directory`);
    return real;
  }
}

function checkVersion(spec: JsonObject): JsonObject {
  const version = spec['ociVersion'];
  if (typeof version === 'string' && /^1\.\d+\.\d+/.test(version)) return spec;
  const said = typeof version === 'string' ? `"${version}"` : 'none';
  throw refused('spec.bundle_path', `config.json has ociVersion ${said}; versions 1.x are understood`);
}

function refused(field: string, description: string): DomainError {
  return invalidRequest([{ field, description }]);
}
