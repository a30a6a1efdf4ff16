import { join } from 'node:path';
import type { SandboxRecord } from '../core/model/record.ts';
import type { CheckpointStore, StoredRecord, UnreadableRecord } from '../core/ports/stores.ts';
import { decodeRecord, encodeRecord, LARGEST_RECORD_BYTES, RecordError } from './records.ts';
import { SerialWriter } from './serial-writer.ts';
import type { Change } from './serial-writer.ts';
import { checkpointFailure } from './store-errors.ts';
import type { StoreFiles } from './store-files.ts';

const RECORD_FILE = 'record.json';
/** Directories that begin so belong to removed records and are on their way out. */
const REMOVED = '.removed-';

/** `<root>/sandboxes/<id>/record.json`: a directory a sandbox, in which its containers' layers and logs live as well. */
export class DirectoryCheckpointStore implements CheckpointStore {
  readonly #home: string;
  readonly #files: StoreFiles;
  readonly #writers = new Map<string, SerialWriter<SandboxRecord>>();

  constructor(root: string, files: StoreFiles) {
    this.#home = join(root, 'sandboxes');
    this.#files = files;
  }

  directory(id: string): string {
    return join(this.#home, checkedId(id));
  }

  async save(id: string, record: SandboxRecord): Promise<void> {
    await this.#submit(id, { kind: 'save', value: record });
  }

  /** The record and the directory that held it. Removing what is not there is fine. */
  async remove(id: string): Promise<void> {
    await this.#submit(id, { kind: 'remove' });
  }

  async loadAll(): Promise<{ readonly records: readonly StoredRecord[]; readonly unreadable: readonly UnreadableRecord[] }> {
    const records: StoredRecord[] = [];
    const unreadable: UnreadableRecord[] = [];
    for (const name of await this.#files.list(this.#home)) {
      if (name.startsWith(REMOVED)) {
        await this.#files.removeTree(join(this.#home, name));
        continue;
      }
      const found = await this.#load(name);
      if (found === undefined) continue;
      if ('problem' in found) unreadable.push(found);
      else records.push(found);
    }
    return { records, unreadable };
  }

  /** Undefined for a directory without a record: its first save never came to its end, so nothing else was made. */
  async #load(id: string): Promise<StoredRecord | UnreadableRecord | undefined> {
    const bytes = await this.#files.read(join(this.#home, id, RECORD_FILE), LARGEST_RECORD_BYTES).catch((error: unknown) => toRecordError(error));
    if (bytes === undefined) return undefined;
    try {
      if (bytes instanceof RecordError) throw bytes;
      const record = decodeRecord(bytes);
      if (record.id !== id) throw new RecordError(`it is the record of sandbox ${record.id}`);
      return { id, record };
    } catch (error) {
      if (!(error instanceof RecordError)) throw error;
      return { id, problem: error.message, fromTheFuture: error.fromTheFuture };
    }
  }

  async #submit(id: string, change: Change<SandboxRecord>): Promise<void> {
    const directory = this.directory(id);
    const writer = this.#writers.get(id) ?? new SerialWriter<SandboxRecord>(async (next) => { await this.#apply(id, directory, next); });
    this.#writers.set(id, writer);
    try {
      await writer.submit(change);
    } finally {
      if (writer.idle && this.#writers.get(id) === writer) this.#writers.delete(id);
    }
  }

  async #apply(id: string, directory: string, change: Change<SandboxRecord>): Promise<void> {
    try {
      if (change.kind === 'save') await this.#publish(directory, change.value);
      else await this.#discard(id, directory);
    } catch (error) {
      throw checkpointFailure(error, `the record of sandbox ${id} was not ${change.kind === 'save' ? 'written' : 'removed'}`);
    }
  }

  async #publish(directory: string, record: SandboxRecord): Promise<void> {
    const bytes = encodeRecord(record);
    await this.#files.makeDirectory(directory);
    await this.#files.publish(join(directory, RECORD_FILE), bytes);
  }

  /** One rename takes the record out of sight; what a crash leaves of the rest is found by its name. */
  async #discard(id: string, directory: string): Promise<void> {
    const aside = join(this.#home, `${REMOVED}${id}`);
    await this.#files.removeTree(aside);
    try {
      await this.#files.rename(directory, aside);
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return;
      throw error;
    }
    await this.#files.removeTree(aside);
  }
}

function toRecordError(error: unknown): RecordError {
  return new RecordError(`it can't be read: ${error instanceof Error ? error.message : String(error)}`);
}

/** An id is one name in a directory and can lead nowhere else. */
function checkedId(id: string): string {
  if (!/^[0-9a-zA-Z_-]{1,64}$/.test(id)) throw new RangeError(`"${id}" is no sandbox id`);
  return id;
}
