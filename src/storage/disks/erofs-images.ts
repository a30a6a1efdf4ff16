import { createHash } from 'node:crypto';
import { basename, dirname, join } from 'node:path';
import { SharedWork } from '../../base/shared-work.ts';
import { DomainError } from '../../core/model/errors.ts';
import type { ProcessRunner, WaitOptions } from '../../core/ports/host.ts';
import type { ImageDisk, ImageDisks, ImageVolume } from '../../core/ports/rootfs-disks.ts';
import type { ImageConfig } from '../../core/ports/storage.ts';
import { parseJsonObject } from '../json-document.ts';
import type { LayerLinks } from '../layer-links.ts';
import type { Mounter } from '../mounter.ts';
import type { UserFiles } from '../oci/users.ts';
import { mountOverlay } from '../overlay-mount.ts';
import type { StorageFiles } from '../storage-files.ts';
import { runDiskTool } from './disk-tool.ts';

export interface ErofsImageParts {
  readonly mounter: Mounter;
  readonly links: LayerLinks;
  readonly runner: ProcessRunner;
  readonly files: StorageFiles;
  /** A new small file, mode 0600. */
  readonly write: (path: string, text: string) => Promise<void>;
  readonly readUserFiles: (rootfs: string) => Promise<UserFiles>;
  readonly makeVolumes: (rootfs: string, volumes: readonly string[]) => Promise<readonly ImageVolume[]>;
  /** The image store's `disks`. */
  readonly directory: string;
}

const FILE = 'rootfs.erofs';
const FACTS = 'volumes.json';
/** What is being made. */
const MAKING = 'making';
const LARGEST_FACTS = 1024 * 1024;
/** In the superblock stands a time; a fixed one makes equal images equal files. It lies after every file's, because tools cut off what is later. */
const FIXED_TIME = '4102444800';

/** `DIR/KEY/{rootfs.erofs,volumes.json,etc/}`, published by one rename. The key is the image's id; of one that came with the installation a digest of its place. */
export class ErofsImages implements ImageDisks {
  readonly #parts: ErofsImageParts;
  readonly #making = new Map<string, SharedWork<ImageDisk>>();

  constructor(parts: ErofsImageParts) {
    this.#parts = parts;
  }

  path(image: ImageConfig): string {
    return join(this.#parts.directory, keyOf(image), FILE);
  }

  async provide(image: ImageConfig, options: WaitOptions = {}): Promise<ImageDisk> {
    const path = this.path(image);
    for (;;) {
      const work = this.#making.get(path);
      if (work !== undefined && !work.abandoned) return await work.join(options.signal);
      if (work === undefined) {
        const known = await this.#read(path);
        if (known !== undefined) return known;
        if (!this.#making.has(path)) this.#begin(image, path);
        continue;
      }
      await work.ended(options.signal);
    }
  }

  async known(path: string): Promise<ImageDisk> {
    const disk = await this.#read(path);
    if (disk !== undefined) return disk;
    throw new DomainError('ROOTFS_FAILED', `the image's disk ${path} is gone`, { remedy: 'create the container again' });
  }

  #begin(image: ImageConfig, path: string): void {
    const work = new SharedWork(async (signal) => {
      try {
        return await this.#make(image, path, signal);
      } finally {
        this.#making.delete(path);
      }
    });
    this.#making.set(path, work);
  }

  async #make(image: ImageConfig, path: string, signal: AbortSignal): Promise<ImageDisk> {
    const { mounter, files } = this.#parts;
    const home = dirname(path);
    const place = join(this.#parts.directory, MAKING, basename(home));
    const [merged, out] = [join(place, 'merged'), join(place, 'out')];
    try {
      const volumes = await this.#merge(image, place, merged, signal);
      const { passwd, group } = await this.#parts.readUserFiles(merged);
      await files.makeDirectory(join(out, 'etc'));
      for (const [name, text] of [['etc/passwd', passwd], ['etc/group', group], [FACTS, JSON.stringify({ volumes })]] as const) {
        if (text !== undefined) await this.#parts.write(join(out, name), text);
      }
      await runDiskTool(this.#parts.runner, 'mkfs.erofs', ['--quiet', '-U', uuidOf(basename(home)), join(out, FILE), merged], { signal, env: { SOURCE_DATE_EPOCH: FIXED_TIME } });
      await files.sync(join(out, FILE));
      // Of an earlier format, or half removed.
      await files.removeTree(home);
      await files.rename(out, home);
      await files.sync(this.#parts.directory);
      return { path, users: home, volumes };
    } finally {
      await mounter.unmountAll(place);
      await files.removeTree(place);
    }
  }

  /** The image's layers as one tree, with directories for its volumes. */
  async #merge(image: ImageConfig, place: string, merged: string, signal: AbortSignal): Promise<readonly ImageVolume[]> {
    const { mounter, links, files, makeVolumes } = this.#parts;
    const [upper, work] = [join(place, 'upper'), join(place, 'work')];
    for (const directory of [upper, work, merged]) await files.makeDirectory(directory);
    // It becomes the root directory.
    await files.copyAccess(image.lowers[0] ?? '', upper);
    await mountOverlay({ mounter, links }, merged, { lowers: image.lowers, upper, work }, { signal });
    const volumes = await makeVolumes(merged, image.volumes);
    // What was made just now is no older in one file than in the next.
    for (const made of new Set(volumes.flatMap(({ path }) => upwards(path)).concat('/'))) {
      if ((await files.inspect(join(upper, made)))?.kind === 'directory') await files.setTime(join(merged, made), 0);
    }
    return volumes;
  }

  /** Removes what an earlier daemon left half made, its mount among it. Before the first is made. */
  async clear(): Promise<void> {
    const { mounter, files, directory } = this.#parts;
    const making = join(directory, MAKING);
    await mounter.unmountAll(making);
    await files.removeTree(making);
  }

  async #read(path: string): Promise<ImageDisk | undefined> {
    const { files } = this.#parts;
    const home = dirname(path);
    const text = await files.readText(join(home, FACTS), LARGEST_FACTS);
    if (text === undefined || (await files.inspect(path))?.kind !== 'file') return undefined;
    const volumes = parseJsonObject(text)['volumes'];
    return { path, users: home, volumes: Array.isArray(volumes) ? volumes.filter(isVolume) : [] };
  }
}

/** `/a/b`, `/a`, `/`. */
function upwards(path: string): readonly string[] {
  return path === '/' ? ['/'] : [path, ...upwards(dirname(path))];
}

function isVolume(value: unknown): value is ImageVolume {
  return typeof value === 'object' && value !== null && 'destination' in value && 'path' in value && typeof value.destination === 'string' && typeof value.path === 'string';
}

function keyOf({ pulled, digest, lowers }: ImageConfig): string {
  if (pulled !== undefined) return pulled.record.id.replace('sha256:', '');
  return `local-${createHash('sha256').update([digest, ...lowers].join('\0')).digest('hex').slice(0, 32)}`;
}

/** Of the image's digest: the same image is the same file. */
function uuidOf(key: string): string {
  const hex = createHash('sha256').update(key).digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-');
}
