import { constants } from 'node:fs';
import { chmod, chown, mkdir, open, readlink, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { DomainError } from '../core/model/errors.ts';
import type { ImageVolume } from '../core/ports/rootfs-disks.ts';
import { errnoOf, FULL, MISSING } from './storage-files.ts';

const MOST_LINKS = 16;
/** open(2)'s O_PATH, which Node does not name. */
const O_PATH = 0o10000000;

/**
 * The directories that an image's volumes are, made where the image has none (mode 0755, their parents' owner). They lie in the container's own
 * writable layer, with what the image has there. Links of the image count as if the root were `/`, so none leads outside. ROOTFS_FAILED, STORAGE_FULL.
 */
export async function makeVolumeDirectories(root: string, volumes: readonly string[]): Promise<readonly ImageVolume[]> {
  const made: ImageVolume[] = [];
  for (const destination of volumes) made.push({ destination, path: await makeBelow(root, destination) });
  return made;
}

/** Where a path of an image leads below a root; undefined when there is no directory. */
export async function findDirectoryBelow(root: string, path: string): Promise<string | undefined> {
  try {
    return await walkBelow(root, path, openDirectory);
  } catch (error) {
    if (MISSING.has(errnoOf(error)) || errnoOf(error) === 'EINVAL') return undefined;
    throw error;
  }
}

async function makeBelow(root: string, path: string): Promise<string> {
  try {
    const found = await walkBelow(root, path, openOrMake);
    if (found !== undefined) return found;
  } catch (error) {
    const message = `volume ${path} of the image: ${error instanceof Error ? error.message : String(error)}`;
    if (FULL.has(errnoOf(error))) throw new DomainError('STORAGE_FULL', message, { cause: error, remedy: 'free space in the state directory' });
    throw new DomainError('ROOTFS_FAILED', message, { cause: error, remedy: 'the image has something else than a directory there; build it again' });
  }
  throw new DomainError('ROOTFS_FAILED', `volume ${path} of the image: too many links on the way`, { remedy: 'build the image again' });
}

/** The directory, or where a link in its place points. */
type Step = (parent: FileHandle, step: string) => Promise<FileHandle | string>;

/** Undefined after too many links. */
async function walkBelow(root: string, path: string, step: Step): Promise<string | undefined> {
  let names = namesOf(path);
  for (let links = 0; links <= MOST_LINKS; links += 1) {
    const link = await walkToLink(root, names, step);
    if (link === undefined) return `/${names.join('/')}`;
    const base = link.target.startsWith('/') ? [] : names.slice(0, link.at);
    names = namesOf([...base, link.target, ...names.slice(link.at + 1)].join('/'));
  }
  return undefined;
}

/** Through directories that are held open, so that no name can be exchanged on the way. */
async function walkToLink(root: string, names: readonly string[], openStep: Step): Promise<{ readonly at: number; readonly target: string } | undefined> {
  let directory = await open(root, O_PATH | constants.O_DIRECTORY);
  try {
    for (const [at, name] of names.entries()) {
      const step = `/proc/self/fd/${directory.fd}/${name}`;
      const next = await openStep(directory, step);
      if (typeof next === 'string') return { at, target: next };
      await directory.close();
      directory = next;
    }
    return undefined;
  } finally {
    await directory.close();
  }
}

async function openDirectory(_parent: FileHandle, step: string): Promise<FileHandle | string> {
  try {
    return await open(step, O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch (error) {
    if (errnoOf(error) === 'ENOTDIR') return await readlink(step);
    throw error;
  }
}

async function openOrMake(parent: FileHandle, step: string): Promise<FileHandle | string> {
  try {
    return await openDirectory(parent, step);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
  const { uid, gid } = await stat(`/proc/self/fd/${parent.fd}`);
  await mkdir(step, { mode: 0o755 });
  const made = await open(step, O_PATH | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  await chown(`/proc/self/fd/${made.fd}`, uid, gid);
  // Whatever the umask.
  await chmod(`/proc/self/fd/${made.fd}`, 0o755);
  return made;
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
