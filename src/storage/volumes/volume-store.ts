import { join } from 'node:path';
import { Serial } from '../../base/serial.ts';
import { DomainError, toDomainError } from '../../core/model/errors.ts';
import type { VolumeRecord } from '../../core/model/volume.ts';
import { isVolumeName } from '../../core/model/volume.ts';
import type { Files, ProcessRunner, WaitOptions } from '../../core/ports/host.ts';
import type { Trash } from '../../core/ports/storage.ts';
import type { StrayVolume, VolumeStore, VolumeUsage } from '../../core/ports/volumes.ts';
import type { Logger } from '../../core/ports/telemetry.ts';
import { JsonDocumentError } from '../json-document.ts';
import { errnoOf, FULL } from '../storage-files.ts';
import type { StorageFiles } from '../storage-files.ts';
import { decodeVolume, encodeVolume, LARGEST_VOLUME_DOCUMENT } from './volume-document.ts';
import type { VolumeMaker } from './volume-maker.ts';
import { measureVolume } from './volume-usage.ts';
import type { FileSystemFigures } from './volume-usage.ts';

export interface VolumeStoreParts {
  readonly documents: Pick<Files, 'read' | 'publish'>;
  readonly files: Pick<StorageFiles, 'makeDirectory' | 'list' | 'inspect' | 'rename' | 'removeTree'>;
  readonly maker: VolumeMaker;
  readonly runner: ProcessRunner;
  readonly figures: FileSystemFigures;
  readonly trash: Trash;
  readonly trashDir: string;
  readonly logger: Logger;
}

const RECORD = 'volume.json';
/** What no volume is called: half-made ones. */
const MAKING = '.making-';

/**
 * `DIR/NAME/volume.json` with `DIR/NAME/data`, a directory, or `DIR/NAME/disk`, a file. A volume is made beside and renamed to its place, and moved to the
 * trash by one rename: there is none that is half there.
 */
export class DirectoryVolumeStore implements VolumeStore {
  readonly #parts: VolumeStoreParts;
  readonly #directory: string;
  readonly #records = new Map<string, VolumeRecord>();
  readonly #serial = new Serial();

  private constructor(parts: VolumeStoreParts, directory: string) {
    this.#parts = parts;
    this.#directory = directory;
  }

  /** Reads all of it. What can't be read stays where it is, and is told; what an earlier daemon has half made goes. */
  static async open(parts: VolumeStoreParts, directory: string): Promise<DirectoryVolumeStore> {
    const store = new DirectoryVolumeStore(parts, directory);
    await parts.files.makeDirectory(directory);
    for (const name of (await parts.files.list(directory)) ?? []) {
      if (name.startsWith(MAKING)) await store.#discard(join(directory, name));
      else await store.#load(name);
    }
    return store;
  }

  get volumes(): readonly VolumeRecord[] {
    return [...this.#records.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  get(name: string): VolumeRecord | undefined {
    return this.#records.get(name);
  }

  pathOf({ name, kind }: VolumeRecord): string {
    return join(this.#directory, name, kind === 'block' ? 'disk' : 'data');
  }

  async create(volume: VolumeRecord, options: WaitOptions = {}): Promise<VolumeRecord> {
    return await this.#serial.run(async () => {
      const known = this.#records.get(volume.name);
      if (known !== undefined) return known;
      const making = join(this.#directory, `${MAKING}${volume.name}`);
      try {
        await this.#make(volume, making, options);
      } catch (error) {
        await this.#parts.files.removeTree(making);
        throw refused(volume.name, error);
      }
      this.#records.set(volume.name, volume);
      return volume;
    });
  }

  async mark(name: string): Promise<void> {
    await this.#serial.run(async () => {
      const known = this.#records.get(name);
      if (known !== undefined && !known.removed) await this.#write(Object.freeze({ ...known, removed: true }));
    });
  }

  async remove(name: string, unless: () => boolean = () => false): Promise<boolean> {
    return await this.#serial.run(async () => {
      if (!this.#records.has(name)) return true;
      if (unless()) return false;
      this.#records.delete(name);
      await this.#discard(join(this.#directory, name));
      return true;
    });
  }

  async grow(name: string, sizeBytes: number): Promise<VolumeRecord> {
    return await this.#serial.run(async () => {
      const known = this.#records.get(name);
      if (known === undefined) throw new DomainError('VOLUME_NOT_FOUND', `there is no volume ${name}`);
      if (sizeBytes <= known.sizeBytes) return known;
      const grown = Object.freeze({ ...known, sizeBytes });
      try {
        await this.#parts.maker.grow(this.pathOf(known), sizeBytes);
      } catch (error) {
        throw refused(name, error);
      }
      await this.#write(grown);
      return grown;
    });
  }

  async usage(volume: VolumeRecord, options: WaitOptions = {}): Promise<VolumeUsage> {
    return await measureVolume(this.#parts, volume, this.pathOf(volume), options);
  }

  async strays(): Promise<readonly StrayVolume[]> {
    return await this.#serial.run(async () => {
      const names = (await this.#parts.files.list(this.#directory)) ?? [];
      return names.filter((name) => !this.#records.has(name)).map((name) => ({ path: join(this.#directory, name), unreadable: !name.startsWith(MAKING) }));
    });
  }

  async discard({ path }: StrayVolume): Promise<void> {
    await this.#serial.run(() => this.#discard(path));
  }

  async #make(volume: VolumeRecord, making: string, options: WaitOptions): Promise<void> {
    const { files, documents, maker } = this.#parts;
    await files.removeTree(making);
    await files.makeDirectory(making);
    if (volume.kind === 'block') await maker.disk(join(making, 'disk'), volume, options);
    else await maker.directory(join(making, 'data'), volume.mode);
    await documents.publish(join(making, RECORD), encodeVolume(volume));
    // A directory of that name that is no volume is in the way of this, and stays.
    await files.rename(making, join(this.#directory, volume.name));
    await maker.sync(this.#directory);
  }

  async #write(volume: VolumeRecord): Promise<void> {
    await this.#parts.documents.publish(join(this.#directory, volume.name, RECORD), encodeVolume(volume));
    this.#records.set(volume.name, volume);
  }

  async #discard(path: string): Promise<void> {
    const { trash, trashDir } = this.#parts;
    await trash.discard(path, trashDir);
    trash.empty(trashDir);
  }

  async #load(name: string): Promise<void> {
    const path = join(this.#directory, name, RECORD);
    try {
      const bytes = isVolumeName(name) ? await this.#parts.documents.read(path, LARGEST_VOLUME_DOCUMENT) : undefined;
      if (bytes === undefined) throw new JsonDocumentError('it has no record');
      const volume = decodeVolume(Buffer.from(bytes).toString('utf8'));
      if (volume.name !== name) throw new JsonDocumentError(`it says that it is ${volume.name}`);
      this.#records.set(name, await this.#asOnDisk(volume));
    } catch (error) {
      if (!(error instanceof JsonDocumentError) && !(error instanceof DomainError)) throw error;
      this.#parts.logger.error({ path, error: error.message }, 'a volume can not be read; it is left as it is');
    }
  }

  /** A disk is as large as its file: it grows before its record says so. */
  async #asOnDisk(volume: VolumeRecord): Promise<VolumeRecord> {
    if (volume.kind !== 'block') return volume;
    const found = await this.#parts.files.inspect(this.pathOf(volume));
    if (found === undefined) throw new JsonDocumentError('its disk is missing');
    return Object.freeze({ ...volume, sizeBytes: found.size });
  }
}

function refused(name: string, error: unknown): DomainError {
  if (error instanceof DomainError) return error;
  const message = `volume ${name}: ${toDomainError(error).message}`;
  if (FULL.has(errnoOf(error))) return new DomainError('STORAGE_FULL', message, { cause: error, remedy: 'free space in the state directory' });
  return new DomainError('HOST_RESOURCE', message, { cause: error, remedy: 'look into the state directory: it keeps the volumes' });
}
