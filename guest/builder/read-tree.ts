import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { BuildError } from './build-error.ts';
import type { CpioEntry } from './cpio-newc.ts';

/** Reads a directory tree as entries below `prefix`, in any order; `skip` leaves out a path and what is below it. */
export async function readTree(root: string, prefix: string, skip: (path: string) => boolean): Promise<CpioEntry[]> {
  const entries: CpioEntry[] = [];
  for (const name of await readdir(root)) {
    const path = prefix === '' ? name : `${prefix}/${name}`;
    if (skip(path)) continue;
    const at = join(root, name);
    const info = await lstat(at);
    const mode = info.mode & 0o7777;
    if (info.isDirectory()) {
      entries.push({ kind: 'directory', path, mode }, ...(await readTree(at, path, skip)));
    } else if (info.isFile()) {
      entries.push({ kind: 'file', path, mode, data: await readFile(at) });
    } else if (info.isSymbolicLink()) {
      entries.push({ kind: 'symlink', path, target: await readlink(at) });
    } else {
      throw new BuildError('bad_input', `${at} is neither a file, a directory nor a link`);
    }
  }
  return entries;
}
