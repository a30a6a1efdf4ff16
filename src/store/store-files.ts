import { closeSync, constants, fstatSync, openSync, readFileSync, readSync } from 'node:fs';
import { mkdir, open, readdir, rename, rm, unlink } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';

/** A file that bytes are added to. */
export interface AppendFile {
  readonly size: number;
  append(bytes: Uint8Array): Promise<void>;
  /** Cuts it to so many bytes. */
  truncate(size: number): Promise<void>;
  /** To the disk. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** The file operations of this room, in one place so that a test can make any of them fail. All reject with Node's errno errors. */
export interface StoreFiles {
  /** With its parents, mode 0700. The entry is on the disk when this resolves. */
  makeDirectory(path: string): Promise<void>;
  /** The whole file or, after a failure or a crash, the old one: write beside it, fsync, rename, fsync of the directory. */
  publish(path: string, bytes: Uint8Array): Promise<void>;
  /** At most `limitBytes + 1` bytes, so that the caller sees that there are more; undefined when there is none. For the start, when there is nothing else to be done meanwhile. */
  read(path: string, limitBytes: number): Promise<Uint8Array | undefined>;
  /** So many bytes from there, fewer at the end of the file; undefined when there is none. */
  readRange(path: string, start: number, length: number): Promise<Uint8Array | undefined>;
  /** Names in a directory, sorted; none when it is missing. */
  list(path: string): Promise<readonly string[]>;
  /** Durable when this resolves. */
  rename(from: string, to: string): Promise<void>;
  /** Missing is fine. */
  remove(path: string): Promise<void>;
  /** A tree with all in it; missing is fine. */
  removeTree(path: string): Promise<void>;
  /** Opens for appending, making the file when it is missing. */
  openAppend(path: string): Promise<AppendFile>;
}

export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

const FILE_MODE = 0o600;

async function syncDirectory(path: string): Promise<void> {
  await using directory = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  await directory.sync();
}

async function unlessMissing<T>(work: Promise<T>, missing: T): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return missing;
    throw error;
  }
}

async function makeDirectory(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  // Every new entry, from the last made up to the one that holds the first.
  for (let at = path; at.startsWith(first); at = dirname(at)) await syncDirectory(dirname(at));
}

async function writeBeside(path: string, bytes: Uint8Array): Promise<void> {
  await using file = await open(path, 'w', FILE_MODE);
  await file.writeFile(bytes);
  await file.sync();
}

async function publish(path: string, bytes: Uint8Array): Promise<void> {
  const beside = `${path}.new`;
  try {
    await writeBeside(beside, bytes);
    await rename(beside, path);
  } catch (error) {
    // What could not be written whole only takes room; the published file is the one that counts.
    await rm(beside, { force: true });
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** Without the thread pool: its six turns for each record would be most of the time until the daemon serves. */
function readBounded(path: string, limitBytes: number): Uint8Array {
  const file = openSync(path, 'r');
  try {
    const { size } = fstatSync(file);
    if (size <= limitBytes) return readFileSync(file);
    const buffer = Buffer.alloc(limitBytes + 1);
    return buffer.subarray(0, readSync(file, buffer, 0, buffer.length, 0));
  } finally {
    closeSync(file);
  }
}

async function readFrom(file: FileHandle, start: number, length: number): Promise<Uint8Array> {
  const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(length), position: start });
  return buffer.subarray(0, bytesRead);
}

async function readRange(path: string, start: number, length: number): Promise<Uint8Array> {
  await using file = await open(path, 'r');
  return await readFrom(file, start, length);
}

async function openAppend(path: string): Promise<AppendFile> {
  const file = await open(path, constants.O_RDWR | constants.O_CREAT, FILE_MODE);
  let { size } = await file.stat();
  return {
    get size() {
      return size;
    },
    async append(bytes) {
      for (let at = 0; at < bytes.length;) {
        const { bytesWritten } = await file.write(bytes, at, bytes.length - at, size + at);
        at += bytesWritten;
      }
      size += bytes.length;
    },
    async truncate(length) {
      await file.truncate(length);
      size = length;
    },
    sync: async () => { await file.datasync(); },
    close: async () => { await file.close(); },
  };
}

export function nodeStoreFiles(): StoreFiles {
  return {
    makeDirectory,
    publish,
    read: async (path, limitBytes) => await unlessMissing<Uint8Array | undefined>((async () => readBounded(path, limitBytes))(), undefined),
    readRange: async (path, start, length) => await unlessMissing<Uint8Array | undefined>(readRange(path, start, length), undefined),
    list: async (path) => (await unlessMissing(readdir(path), [])).sort(),
    async rename(from, to) {
      await rename(from, to);
      await syncDirectory(dirname(to));
      if (dirname(from) !== dirname(to)) await syncDirectory(dirname(from));
    },
    remove: async (path) => { await unlessMissing(unlink(path), undefined); },
    removeTree: async (path) => { await rm(path, { recursive: true, force: true }); },
    openAppend,
  };
}
