import { join } from 'node:path';
import { Serial } from '../../base/serial.ts';
import { DomainError } from '../../core/model/errors.ts';
import type { ImageRecord } from '../../core/model/image.ts';
import { parseImageReference } from '../../core/model/image-reference.ts';
import type { Files } from '../../core/ports/host.ts';
import type { ImageLibrary, NamedImage } from '../../core/ports/images.ts';
import type { Logger } from '../../core/ports/telemetry.ts';
import { JsonDocumentError } from '../json-document.ts';
import { decodeImage, decodeNames, encodeImage, encodeNames, LARGEST_IMAGE_DOCUMENT } from './image-document.ts';

export interface LibraryParts {
  readonly files: Pick<Files, 'read' | 'publish' | 'makeDirectory' | 'remove'>;
  /** Names in a directory; undefined when there is none. */
  readonly list: (path: string) => Promise<readonly string[] | undefined>;
  readonly logger: Logger;
}

/** The least of an id that stands for it. */
const SHORTEST_ID = 4;
const ID_TEXT = /^(?:sha256:)?([0-9a-f]{4,64})$/;
const RECORD_FILE = /^([0-9a-f]{64})\.json$/;
const NAMES_FILE = 'names.json';

/**
 * `DIR/records/HEX.json`, one an image, and `DIR/names.json`, which image each name stands for. An image is written before its name is, and a name is
 * taken away before its image: a crash in between leaves an image without a name, never a name without an image.
 */
export class FileImageLibrary implements ImageLibrary {
  readonly #parts: LibraryParts;
  readonly #directory: string;
  readonly #records = new Map<string, ImageRecord>();
  readonly #unreadable: string[] = [];
  /** Full reference → id. */
  #names = new Map<string, string>();
  readonly #serial = new Serial();

  private constructor(parts: LibraryParts, directory: string) {
    this.#parts = parts;
    this.#directory = directory;
  }

  /** Reads all of it. What can't be read stays where it is, and is told. */
  static async open(parts: LibraryParts, directory: string): Promise<FileImageLibrary> {
    const library = new FileImageLibrary(parts, directory);
    await parts.files.makeDirectory(library.#recordsDirectory);
    await library.#load();
    return library;
  }

  get images(): readonly NamedImage[] {
    return [...this.#records.values()].map((record) => this.#named(record)).sort((a, b) => b.record.pulledAtMs - a.record.pulledAtMs);
  }

  get unreadable(): readonly string[] {
    return this.#unreadable;
  }

  get(id: string): NamedImage | undefined {
    const record = this.#records.get(id);
    return record === undefined ? undefined : this.#named(record);
  }

  find(text: string): NamedImage | undefined {
    return this.#byName(text) ?? this.#byId(text);
  }

  async add(record: ImageRecord, names: readonly string[]): Promise<void> {
    await this.#serial.run(async () => {
      await this.#write(record);
      const changed = new Map(this.#names);
      for (const name of names) changed.set(name, record.id);
      await this.#writeNames(changed);
    });
  }

  async unname(names: readonly string[]): Promise<void> {
    await this.#serial.run(async () => {
      const gone = new Set(names);
      await this.#writeNames(new Map([...this.#names].filter(([name]) => !gone.has(name))));
    });
  }

  async mark(id: string, removed: boolean): Promise<void> {
    await this.#serial.run(async () => {
      const record = this.#records.get(id);
      if (record !== undefined && record.removed !== removed) await this.#write(Object.freeze({ ...record, removed }));
    });
  }

  async forget(id: string): Promise<void> {
    await this.#serial.run(async () => {
      await this.#writeNames(new Map([...this.#names].filter(([, named]) => named !== id)));
      await this.#parts.files.remove(this.#fileOf(id));
      this.#records.delete(id);
    });
  }

  get #recordsDirectory(): string {
    return join(this.#directory, 'records');
  }

  #fileOf(id: string): string {
    return join(this.#recordsDirectory, `${id.slice('sha256:'.length)}.json`);
  }

  #named(record: ImageRecord): NamedImage {
    return { record, names: [...this.#names].filter(([, id]) => id === record.id).map(([name]) => name).sort() };
  }

  #byName(text: string): NamedImage | undefined {
    const reference = parseImageReference(text);
    if (reference === undefined) return undefined;
    const id = this.#names.get(reference.full);
    if (id !== undefined) return this.get(id);
    if (reference.digest === '') return undefined;
    return this.images.find(({ record, names }) => record.manifestDigest === reference.digest && names.some((name) => parseImageReference(name)?.repository === reference.repository));
  }

  #byId(text: string): NamedImage | undefined {
    const digits = ID_TEXT.exec(text)?.[1];
    if (digits === undefined || digits.length < SHORTEST_ID) return undefined;
    const hits = [...this.#records.values()].filter(({ id }) => id.startsWith(digits, 'sha256:'.length));
    if (hits.length > 1) {
      throw new DomainError('AMBIGUOUS_ID', `"${text}" is the beginning of ${hits.length} image ids`, { remedy: 'give more digits', facts: { candidates: hits.slice(0, 10).map(({ id }) => id).join(',') } });
    }
    return hits[0] === undefined ? undefined : this.#named(hits[0]);
  }

  async #write(record: ImageRecord): Promise<void> {
    await this.#parts.files.publish(this.#fileOf(record.id), encodeImage(record));
    this.#records.set(record.id, record);
  }

  async #writeNames(names: Map<string, string>): Promise<void> {
    await this.#parts.files.publish(join(this.#directory, NAMES_FILE), encodeNames(names));
    this.#names = names;
  }

  async #load(): Promise<void> {
    for (const file of (await this.#parts.list(this.#recordsDirectory)) ?? []) {
      const hex = RECORD_FILE.exec(file)?.[1];
      if (hex === undefined) continue;
      const record = await this.#read(join(this.#recordsDirectory, file), decodeImage);
      if (record?.id === `sha256:${hex}`) this.#records.set(record.id, record);
    }
    const path = join(this.#directory, NAMES_FILE);
    const names = (await this.#read(path, decodeNames)) ?? new Map<string, string>();
    // A name whose image can't be read stays written down: it is not known here until it can be. One of a removed image was on its way out.
    this.#names = new Map([...names].filter(([, id]) => this.#records.get(id)?.removed !== true));
    if (this.#unreadable.includes(path)) await this.#setAside(path);
  }

  /** The next name that is given writes the file anew. */
  async #setAside(path: string): Promise<void> {
    const { files } = this.#parts;
    await files.publish(`${path}.unreadable`, (await files.read(path, LARGEST_IMAGE_DOCUMENT)) ?? '');
  }

  async #read<T>(path: string, decode: (text: string) => T): Promise<T | undefined> {
    try {
      const bytes = await this.#parts.files.read(path, LARGEST_IMAGE_DOCUMENT);
      return bytes === undefined ? undefined : decode(Buffer.from(bytes).toString('utf8'));
    } catch (error) {
      if (!(error instanceof JsonDocumentError) && !(error instanceof DomainError)) throw error;
      this.#unreadable.push(path);
      this.#parts.logger.error({ path, error: error.message }, 'a record of images can not be read; it is left as it is');
      return undefined;
    }
  }
}
