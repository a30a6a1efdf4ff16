import { constants } from 'node:fs';
import { open, readFile, readlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { DomainError } from '../core/model/errors.ts';
import { errnoOf, MISSING } from './storage-files.ts';
import type { UserFiles } from './oci/users.ts';

const LARGEST_FILE = 1024 * 1024;
const MOST_LINKS = 16;
/** open(2)'s O_PATH, which Node does not name. */
const O_PATH = 0o10000000;

/** A step of a path through a directory that is held open, so that whoever swaps names meanwhile can't lead outside. */
function stepFrom(directory: FileHandle, name: string): string {
  return `/proc/self/fd/${directory.fd}/${name}`;
}

async function openStep(directory: FileHandle, name: string, flags: number): Promise<FileHandle | 'link'> {
  try {
    return await open(stepFrom(directory, name), flags | constants.O_NOFOLLOW);
  } catch (error) {
    // A link where a directory was asked for is ENOTDIR, where a file was asked for ELOOP.
    const isLink = errnoOf(error) === 'ELOOP' || errnoOf(error) === 'ENOTDIR';
    if (isLink && (await linkTarget(directory, name)) !== undefined) return 'link';
    throw error;
  }
}

async function linkTarget(directory: FileHandle, name: string): Promise<string | undefined> {
  try {
    return await readlink(stepFrom(directory, name));
  } catch (error) {
    if (errnoOf(error) === 'EINVAL') return undefined;
    throw error;
  }
}

/** The names of a path with `.` and `..` taken out; `..` of the root is the root. */
function namesOf(path: string): string[] {
  const names: string[] = [];
  for (const name of path.split('/')) {
    if (name === '..') names.pop();
    else if (name !== '' && name !== '.') names.push(name);
  }
  return names;
}

/** Opens a regular file below a root; links count as if the root were `/`. */
async function openBelow(root: string, path: string): Promise<FileHandle> {
  let names = namesOf(path);
  for (let links = 0; links <= MOST_LINKS; links += 1) {
    const reached = await walk(root, names);
    if ('handle' in reached) return reached.handle;
    const base = reached.target.startsWith('/') ? [] : names.slice(0, reached.at);
    names = namesOf([...base, reached.target, ...names.slice(reached.at + 1)].join('/'));
  }
  throw Object.assign(new Error(`too many links on the way to ${path}`), { code: 'ELOOP' });
}

/** As far as the first link. */
async function walk(root: string, names: readonly string[]): Promise<{ handle: FileHandle } | { at: number; target: string }> {
  let directory = await open(root, O_PATH | constants.O_DIRECTORY);
  try {
    for (const [at, name] of names.entries()) {
      const last = at === names.length - 1;
      const flags = last ? constants.O_RDONLY | constants.O_NONBLOCK : O_PATH | constants.O_DIRECTORY;
      const next = await openStep(directory, name, flags);
      if (next === 'link') return { at, target: (await linkTarget(directory, name)) ?? '' };
      if (last) return { handle: next };
      await directory.close();
      directory = next;
    }
    throw Object.assign(new Error('no file is named'), { code: 'ENOENT' });
  } finally {
    await directory.close();
  }
}

async function readBelow(root: string, path: string): Promise<string | undefined> {
  try {
    await using file = await openBelow(root, path);
    const found = await file.stat();
    if (!found.isFile() || found.size > LARGEST_FILE) throw new DomainError('ROOTFS_FAILED', `/${path} of the root file system is no regular file of at most ${LARGEST_FILE} bytes`);
    return await readFile(file, 'utf8');
  } catch (error) {
    if (MISSING.has(errnoOf(error))) return undefined;
    if (error instanceof DomainError) throw error;
    throw new DomainError('ROOTFS_FAILED', `/${path} of the root file system can't be read: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

/** /etc/passwd and /etc/group of a root file system, which may be a hostile guest's: never followed outside, never waited for, never large. ROOTFS_FAILED. */
export async function readUserFiles(rootfs: string): Promise<UserFiles> {
  const [passwd, group] = await Promise.all([readBelow(rootfs, 'etc/passwd'), readBelow(rootfs, 'etc/group')]);
  return { passwd, group };
}
