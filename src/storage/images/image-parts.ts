import { join } from 'node:path';
import { DomainError } from '../../core/model/errors.ts';
import type { StartConversation } from '../../core/ports/conversations.ts';
import type { ImageParts, StoredPart } from '../../core/ports/images.ts';
import type { Trash } from '../../core/ports/storage.ts';
import type { StorageFiles } from '../storage-files.ts';

export interface ImagePartsParts {
  readonly files: StorageFiles;
  readonly trash: Trash;
  readonly start: StartConversation;
  /** The image tool's store. */
  readonly store: string;
  readonly trashDir: string;
}

/** An image tool whose daemon was killed ends within this. */
const LOCK_SECONDS = 15;
const HELD = 'held';
const HEX = /^[0-9a-f]{64}$/;
const LARGEST_SIZE_FILE = 64;

/** The image tool's store as it lies on disk (docs/protocols/image-tool.md, "The store"). */
export class StoredImageParts implements ImageParts {
  readonly #parts: ImagePartsParts;

  constructor(parts: ImagePartsParts) {
    this.#parts = parts;
  }

  async list(): Promise<readonly StoredPart[]> {
    const { store } = this.#parts;
    const lists = await Promise.all([
      this.#digests('layer', join(store, 'layers/sha256')),
      this.#digests('blob', join(store, 'blobs/sha256')),
      this.#digests('partial', join(store, 'partial/sha256')),
      this.#names(join(store, 'work')),
      this.#disks(join(store, 'disks')),
    ]);
    return lists.flat();
  }

  async discard(parts: readonly StoredPart[]): Promise<void> {
    const { trash, trashDir } = this.#parts;
    for (const { path } of parts) await trash.discard(path, trashDir);
    if (parts.length > 0) trash.empty(trashDir);
  }

  /** Node has no flock(2): a process that has it holds the lock for us, and lets go of it when its stdin ends, also by our own end. */
  async exclusively<T>(work: () => Promise<T>): Promise<T | undefined> {
    const { files, start, store } = this.#parts;
    await files.makeDirectory(store);
    const holder = start('flock', ['--exclusive', '--timeout', String(LOCK_SECONDS), join(store, 'lock'), 'cat'], { input: `${HELD}\n` });
    const lines = holder.lines[Symbol.asyncIterator]();
    const first = await lines.next();
    if (first.done === true || first.value !== HELD) {
      const { code, stderrTail } = await holder.exit;
      // flock(1) ends with 1 when its time is over.
      if (code === 1) return undefined;
      throw new DomainError('HOST_RESOURCE', `the lock of ${store} can't be had: flock ended with code ${code}: ${stderrTail}`, { remedy: 'install util-linux', facts: { exit_code: String(code) } });
    }
    try {
      return await work();
    } finally {
      holder.end();
      await holder.exit;
    }
  }

  async #digests(kind: 'layer' | 'blob' | 'partial', directory: string): Promise<readonly StoredPart[]> {
    const names = ((await this.#parts.files.list(directory)) ?? []).filter((name) => HEX.test(name));
    return await Promise.all(names.map(async (hex): Promise<StoredPart> => {
      const path = join(directory, hex);
      return { kind, id: `sha256:${hex}`, path, sizeBytes: kind === 'layer' ? await this.#layerSize(path) : await this.#fileSize(path) };
    }));
  }

  /** Images as disks, each a directory, and the empty disks that others are copied from. What is being made is looked after by who makes it. */
  async #disks(directory: string): Promise<readonly StoredPart[]> {
    const names = ((await this.#parts.files.list(directory)) ?? []).filter((name) => name !== 'making' && !name.endsWith('.new'));
    return await Promise.all(names.map(async (name): Promise<StoredPart> => {
      const path = join(directory, name);
      return { kind: 'disk', id: HEX.test(name) ? `sha256:${name}` : name, path, sizeBytes: HEX.test(name) ? await this.#fileSize(join(path, 'rootfs.erofs')) : 0 };
    }));
  }

  async #names(directory: string): Promise<readonly StoredPart[]> {
    return ((await this.#parts.files.list(directory)) ?? []).map((name) => ({ kind: 'work', id: name, path: join(directory, name), sizeBytes: 0 }));
  }

  async #layerSize(path: string): Promise<number> {
    const text = (await this.#parts.files.readText(join(path, 'size'), LARGEST_SIZE_FILE)) ?? '0';
    const bytes = Number(text.trim());
    return Number.isSafeInteger(bytes) && bytes >= 0 ? bytes : 0;
  }

  async #fileSize(path: string): Promise<number> {
    return (await this.#parts.files.inspect(path))?.size ?? 0;
  }
}
