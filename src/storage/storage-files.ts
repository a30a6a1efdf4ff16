import { constants } from 'node:fs';
import { chmod, chown, lstat, mkdir, open, readFile, readdir, readlink, realpath, rename, rm, rmdir, stat, symlink, unlink, utimes } from 'node:fs/promises';

/** What a path is, links not followed unless said otherwise. */
export type FileKind = 'file' | 'directory' | 'symlink' | 'other';

export interface FileFacts {
  readonly kind: FileKind;
  readonly size: number;
}

/** The file operations of this room, in one place so that a test can make any of them fail. All reject with Node's errno errors. */
export interface StorageFiles {
  /** With its parents, mode 0700; that it is there is fine. */
  makeDirectory(path: string, mode?: number): Promise<void>;
  /** Undefined when there is none. */
  inspect(path: string, options?: { follow: boolean }): Promise<FileFacts | undefined>;
  /** Names in a directory, sorted; undefined when there is none. */
  list(path: string): Promise<readonly string[] | undefined>;
  /** The text of a regular file of at most so many bytes; undefined when there is none. The last component is never followed when it is a link. */
  readText(path: string, limitBytes: number): Promise<string | undefined>;
  readLink(path: string): Promise<string>;
  /** A symbolic link. */
  link(target: string, path: string): Promise<void>;
  realPath(path: string): Promise<string>;
  /** Owner, group and mode of one directory for another, whatever the umask. */
  copyAccess(from: string, to: string): Promise<void>;
  /** When it was changed last, as it says. */
  setTime(path: string, ms: number): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  removeDirectory(path: string): Promise<void>;
  /** What was written to a file, or which names a directory has, is on the disk when it resolves. */
  sync(path: string): Promise<void>;
  /** A tree with all in it; missing is fine. */
  removeTree(path: string): Promise<void>;
}

/** The `code` of a Node error: `ENOENT`. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

export const MISSING: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ENOTDIR']);

/** No room, no quota, or no inode left. */
export const FULL: ReadonlySet<string | undefined> = new Set(['ENOSPC', 'EDQUOT']);

async function unlessMissing<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (MISSING.has(errnoOf(error))) return undefined;
    throw error;
  }
}

function kindOf(found: { isFile(): boolean; isDirectory(): boolean; isSymbolicLink(): boolean }): FileKind {
  if (found.isFile()) return 'file';
  if (found.isDirectory()) return 'directory';
  return found.isSymbolicLink() ? 'symlink' : 'other';
}

/** A file that is larger than its reader takes. */
export class FileTooLargeError extends Error {
  override readonly name = 'FileTooLargeError';
}

async function readBounded(path: string, limitBytes: number): Promise<string> {
  // O_NONBLOCK: a FIFO in the place of the file must not hold the daemon.
  await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  const found = await file.stat();
  if (!found.isFile()) throw new FileTooLargeError(`${path} is not a regular file`);
  if (found.size > limitBytes) throw new FileTooLargeError(`${path} has ${found.size} bytes; at most ${limitBytes} are read`);
  return await readFile(file, 'utf8');
}

export function nodeStorageFiles(): StorageFiles {
  return {
    async makeDirectory(path, mode = 0o700) {
      await mkdir(path, { recursive: true, mode });
    },
    async inspect(path, options = { follow: false }) {
      const found = await unlessMissing(options.follow ? stat(path) : lstat(path));
      return found === undefined ? undefined : { kind: kindOf(found), size: found.size };
    },
    async list(path) {
      const names = await unlessMissing(readdir(path));
      return names?.sort();
    },
    async readText(path, limitBytes) {
      return await unlessMissing(readBounded(path, limitBytes));
    },
    readLink: async (path) => await readlink(path),
    link: async (target, path) => { await symlink(target, path); },
    realPath: async (path) => await realpath(path),
    async copyAccess(from, to) {
      const { uid, gid, mode } = await stat(from);
      await chown(to, uid, gid);
      await chmod(to, mode & 0o7777);
    },
    async setTime(path, ms) {
      await utimes(path, ms / 1000, ms / 1000);
    },
    rename,
    unlink,
    removeDirectory: rmdir,
    async sync(path) {
      await using file = await open(path, constants.O_RDONLY);
      await file.sync();
    },
    async removeTree(path) {
      await rm(path, { recursive: true, force: true });
    },
  };
}
