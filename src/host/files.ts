import { randomBytes } from 'node:crypto';
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { mkdir, open, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { DomainError } from '../core/model/errors.ts';
import type { FileIdentity, Files } from '../core/ports/host.ts';

const PRIVATE = 0o600;
/**
 * Files of at most so many bytes are read at once, without the thread pool: they are of /proc and of the run directory, which are memory, and a daemon that comes back
 * reads some for each sandbox. That takes microseconds; five turns through the pool take hundreds of them.
 */
const AT_ONCE_BYTES = 64 * 1024;
const NO_SPACE = new Set(['ENOSPC', 'EDQUOT']);

/** The errno name of a Node error, or undefined. */
export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** fsync of a directory: makes the names in it last. */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Small whole files on the real disk. */
export class SystemFiles implements Files {
  async read(path: string, maxBytes: number): Promise<Uint8Array | undefined> {
    return await absent(undefined, path, 'read', async () => {
      if (maxBytes <= AT_ONCE_BYTES) return readAtOnce(path, maxBytes);
      const handle = await open(path, 'r');
      try {
        // Not the size that stat tells: files of /proc have none, and a file may grow meanwhile.
        const buffer = Buffer.allocUnsafe(Math.min(maxBytes, (await handle.stat()).size) + 1);
        return await readUpTo(handle, buffer, path, maxBytes);
      } finally {
        await handle.close();
      }
    });
  }

  async tail(path: string, bytes: number): Promise<Uint8Array> {
    return await absent(new Uint8Array(), path, 'read', async () => {
      const handle = await open(path, 'r');
      try {
        const { size } = await handle.stat();
        const buffer = Buffer.allocUnsafe(Math.min(bytes, size));
        const { bytesRead } = await handle.read(buffer, 0, buffer.length, Math.max(0, size - bytes));
        return buffer.subarray(0, bytesRead);
      } finally {
        await handle.close();
      }
    });
  }

  async publish(path: string, content: Uint8Array | string, options: { mode?: number } = {}): Promise<void> {
    const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}`);
    try {
      const handle = await open(temporary, 'wx', options.mode ?? PRIVATE);
      try {
        await handle.writeFile(content);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(temporary, path);
      await syncDirectory(dirname(path));
    } catch (error) {
      await rm(temporary, { force: true });
      throw hostError(error, path, 'write');
    }
  }

  async write(path: string, content: Uint8Array | string, options: { mode?: number } = {}): Promise<void> {
    try {
      await writeFile(path, content, { mode: options.mode ?? PRIVATE });
    } catch (error) {
      throw hostError(error, path, 'write');
    }
  }

  async makeDirectory(path: string, options: { mode?: number } = {}): Promise<void> {
    try {
      await mkdir(path, { recursive: true, mode: options.mode ?? 0o700 });
    } catch (error) {
      throw hostError(error, path, 'make');
    }
  }

  async remove(path: string): Promise<void> {
    await absent(undefined, path, 'remove', async () => { await rm(path, { force: true }); });
  }

  async identify(path: string): Promise<FileIdentity | undefined> {
    return await absent(undefined, path, 'look at', async () => {
      const realPath = await realpath(path);
      const { dev, ino, size, mtimeMs } = await stat(realPath);
      return { realPath, device: dev, inode: ino, sizeBytes: size, modifiedMs: mtimeMs };
    });
  }
}

function readAtOnce(path: string, maxBytes: number): Buffer {
  const file = openSync(path, 'r');
  try {
    const buffer = Buffer.allocUnsafe(maxBytes + 1);
    let length = 0;
    for (let read = -1; read !== 0 && length < buffer.length; length += read) read = readSync(file, buffer, length, buffer.length - length, null);
    if (length > maxBytes) throw tooLarge(path, maxBytes);
    return buffer.subarray(0, length);
  } finally {
    closeSync(file);
  }
}

function tooLarge(path: string, maxBytes: number): DomainError {
  return new DomainError('HOST_RESOURCE', `${path} is larger than ${maxBytes} bytes`);
}

/** Fills the buffer (one byte longer than the file seemed to be), and grows it while there is more, up to the cap. */
async function readUpTo(handle: Awaited<ReturnType<typeof open>>, first: Buffer, path: string, maxBytes: number): Promise<Buffer> {
  let buffer = first;
  let length = 0;
  for (;;) {
    const { bytesRead } = await handle.read(buffer, length, buffer.length - length, null);
    length += bytesRead;
    if (bytesRead === 0) return buffer.subarray(0, length);
    if (length > maxBytes) throw tooLarge(path, maxBytes);
    if (length === buffer.length) buffer = Buffer.concat([buffer, Buffer.allocUnsafe(Math.max(4096, length))]);
  }
}

async function absent<T>(otherwise: T, path: string, verb: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return otherwise;
    throw hostError(error, path, verb);
  }
}

function hostError(error: unknown, path: string, verb: string): DomainError {
  if (error instanceof DomainError) return error;
  const errno = errnoOf(error) ?? '';
  const message = `cannot ${verb} ${path}: ${error instanceof Error ? error.message : String(error)}`;
  if (NO_SPACE.has(errno)) return new DomainError('STORAGE_FULL', message, { remedy: `free space on the file system of ${dirname(path)}`, cause: error });
  return new DomainError('HOST_RESOURCE', message, { facts: { path, errno }, cause: error });
}
