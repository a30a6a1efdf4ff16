import { lstat, mkdir, readdir, readlink, rename, rm, stat, symlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { hasCode, publishDirectory, syncDirectory } from './atomic-files.ts';

/**
 * Directories that are replaced at one stroke: `<root>/<name>` is a link to `<root>/.store/<name>@<key>`, and publishing moves
 * the link by rename. Who has opened files of the old generation keeps them.
 */
export class Generations {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  current(name: string): string {
    return join(this.#root, name);
  }

  /** Fills a new generation and points the name at it. One of the same key is made anew: it was found wanting. */
  async publish(name: string, key: string, fill: (directory: string) => Promise<void>): Promise<void> {
    const store = join(this.#root, '.store');
    const directory = join(store, `${name}@${key}`);
    await mkdir(store, { recursive: true });
    const old = `${directory}.old-${process.pid}`;
    await publishDirectory(directory, async (temporary) => {
      await fill(temporary);
      await renameIfThere(directory, old);
    });
    await rm(old, { recursive: true, force: true });
    await this.#point(name, `.store/${basename(directory)}`);
  }

  /** Removes generations of a name but the current one and the newest `keep` others. */
  async prune(name: string, keep: number): Promise<void> {
    const store = join(this.#root, '.store');
    const current = basename(await readlink(this.current(name)));
    const others = (await readdir(store)).filter((entry) => entry.startsWith(`${name}@`) && entry !== current);
    const aged = await Promise.all(others.map(async (entry) => ({ entry, time: (await stat(join(store, entry))).ctimeMs })));
    const old = aged.sort((a, b) => b.time - a.time).slice(keep);
    await Promise.all(old.map(async ({ entry }) => rm(join(store, entry), { recursive: true, force: true })));
  }

  /** Names that point at a generation. */
  async names(): Promise<string[]> {
    try {
      return (await readdir(this.#root)).filter((name) => !name.startsWith('.')).sort();
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return [];
      throw error;
    }
  }

  async #point(name: string, target: string): Promise<void> {
    const link = this.current(name);
    const temporary = join(this.#root, `.link-${process.pid}`);
    await rm(temporary, { force: true });
    await symlink(target, temporary);
    await setAsideRealDirectory(link);
    await rename(temporary, link);
    await syncDirectory(this.#root);
  }
}

/** A rename can't put a link over a directory, as someone may have copied one there. */
async function setAsideRealDirectory(path: string): Promise<void> {
  try {
    if ((await lstat(path)).isDirectory()) await rename(path, `${path}.old-${process.pid}`);
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
  }
}

async function renameIfThere(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
  }
}
