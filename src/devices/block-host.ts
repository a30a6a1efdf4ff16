import * as fs from 'node:fs/promises';
import { constants } from 'node:fs';

export interface PathFacts {
  readonly kind: 'file' | 'block' | 'directory' | 'socket' | 'pipe' | 'character';
  readonly device: number;
  readonly inode: number;
  /** `8:1`, of a block device. */
  readonly number: string;
  readonly sizeBytes: number;
}

/** What is asked of the host about a disk. All reject with the system's own error (`code`: ENOENT, EACCES, …). */
export interface BlockHost {
  realPath(path: string): Promise<string>;
  facts(path: string): Promise<PathFacts>;
  /** The first bytes. */
  head(path: string, bytes: number): Promise<Uint8Array>;
  /** A small file of the kernel's; empty when there is none. */
  text(path: string): Promise<string>;
  /** Names in a directory; none when there is none. */
  names(path: string): Promise<readonly string[]>;
  /** False when the kernel has given the block device, or a part of it, to somebody: a mount, swap, a device mapper (open(2), O_EXCL). */
  isFree(path: string): Promise<boolean>;
}

/** The host as it is. */
export function nodeBlockHost(): BlockHost {
  return {
    realPath: (path) => fs.realpath(path),
    facts,
    head,
    text: (path) => fs.readFile(path, 'utf8').catch(unlessMissing('')),
    names: (path) => fs.readdir(path).catch(unlessMissing<readonly string[]>([])),
    isFree,
  };
}

async function facts(path: string): Promise<PathFacts> {
  const stat = await fs.stat(path);
  const kinds = [['file', stat.isFile()], ['block', stat.isBlockDevice()], ['directory', stat.isDirectory()], ['socket', stat.isSocket()], ['pipe', stat.isFIFO()]] as const;
  const kind = kinds.find(([, is]) => is)?.[0] ?? 'character';
  return { kind, device: stat.dev, inode: stat.ino, number: deviceNumber(stat.rdev), sizeBytes: stat.size };
}

/** As makedev(3) of glibc packs it: 12 and 20 bits, in two pieces each. */
export function deviceNumber(packed: number): string {
  const number = BigInt(packed);
  const major = ((number >> 8n) & 0xfffn) | ((number >> 32n) & ~0xfffn);
  const minor = (number & 0xffn) | ((number >> 12n) & ~0xffn);
  return `${major}:${minor}`;
}

async function head(path: string, bytes: number): Promise<Uint8Array> {
  await using file = await fs.open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const { buffer, bytesRead } = await file.read(new Uint8Array(bytes), 0, bytes, 0);
  return buffer.subarray(0, bytesRead);
}

async function isFree(path: string): Promise<boolean> {
  try {
    await using _file = await fs.open(path, constants.O_RDONLY | constants.O_EXCL | constants.O_NONBLOCK);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EBUSY') return false;
    throw error;
  }
}

function unlessMissing<T>(instead: T): (error: unknown) => T {
  return (error) => {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return instead;
    throw error;
  };
}
