import type { Dirent } from 'node:fs';
import { join } from 'node:path';
import { SHARE_VIEWS, type InstanceMarks } from '../../core/model/marks.ts';
import { directoryEntries } from './directory-entries.ts';

/** What lies in the run directory of one sandbox. */
export interface RunDirectory {
  readonly owner: string;
  readonly path: string;
  /** Paths of the sockets in it and in its launchers' directories. */
  readonly sockets: readonly string[];
  /** Directories that a launcher was, or was to be, started in. */
  readonly launches: readonly string[];
}

/** Directories that are read side by side. */
const PARALLEL = 8;

/** The run directories of all sandboxes, as deep as our own files lie and never into a share: what is mounted there is a container's. */
export class RunTree {
  readonly #marks: InstanceMarks;
  #reading: Promise<readonly RunDirectory[]> | undefined;

  constructor(marks: InstanceMarks) {
    this.#marks = marks;
  }

  /** Calls at the same time share one reading. */
  async read(): Promise<readonly RunDirectory[]> {
    this.#reading ??= this.#read().finally(() => { this.#reading = undefined; });
    return await this.#reading;
  }

  async #read(): Promise<readonly RunDirectory[]> {
    const waiting = [...(await directoryEntries(this.#marks.runs))];
    const found: RunDirectory[] = [];
    const worker = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) found.push(await this.#one(next));
    };
    await Promise.all(Array.from({ length: PARALLEL }, worker));
    return found;
  }

  async #one(entry: Dirent): Promise<RunDirectory> {
    const path = join(this.#marks.runs, entry.name);
    const sockets: string[] = [];
    const launches: string[] = [];
    for (const inside of entry.isDirectory() ? await directoryEntries(path) : []) {
      const at = join(path, inside.name);
      if (inside.isSocket()) sockets.push(at);
      if (!inside.isDirectory() || SHARE_VIEWS.has(inside.name)) continue;
      const files = await directoryEntries(at);
      sockets.push(...files.filter((file) => file.isSocket()).map((file) => join(at, file.name)));
      if (files.some(({ name }) => name === 'record' || name === 'spec.json')) launches.push(at);
    }
    return { owner: entry.name, path, sockets, launches };
  }
}
