import { BuildError } from './build-error.ts';
import type { CpioEntry } from './cpio-newc.ts';

/**
 * A file system image in memory. Parents are made on the way (0755), a later entry replaces an earlier one of the same path
 * unless one of them is a directory, and `entries()` comes sorted, parents first: the same content gives the same list.
 */
export class FileTree {
  readonly #entries = new Map<string, CpioEntry>();

  add(entry: CpioEntry): void {
    const path = normalPath(entry.path);
    this.#addParents(path);
    const there = this.#entries.get(path);
    if (there !== undefined && (there.kind === 'directory') !== (entry.kind === 'directory')) {
      throw new BuildError('bad_input', `/${path} is asked for both as a directory and as something else`);
    }
    this.#entries.set(path, { ...entry, path });
  }

  /** A directory that is only needed to hold something: keeps the mode of one that is there. */
  #addParents(path: string): void {
    const parts = path.split('/');
    for (let depth = 1; depth < parts.length; depth++) {
      const parent = parts.slice(0, depth).join('/');
      const there = this.#entries.get(parent);
      if (there === undefined) this.#entries.set(parent, { kind: 'directory', path: parent, mode: 0o755 });
      else if (there.kind !== 'directory') throw new BuildError('bad_input', `/${path} lies below /${parent}, which is no directory`);
    }
  }

  entries(): CpioEntry[] {
    return [...this.#entries.values()].sort((a, b) => compareBytes(a.path, b.path));
  }
}

/** Byte order, so that no locale has a say; a directory sorts before what it holds because it is a prefix of it. */
function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

/** `/usr//bin/` → `usr/bin`. Refuses what would leave the image or be nothing. */
export function normalPath(path: string): string {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.length === 0 || parts.includes('..') || path.includes('\0')) {
    throw new BuildError('bad_input', `not a path inside the guest: ${JSON.stringify(path)}`);
  }
  return parts.join('/');
}
