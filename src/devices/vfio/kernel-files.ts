import * as fs from 'node:fs/promises';
import { constants } from 'node:fs';

/** Small files of the kernel's, by their path on the host. Reading what is not there is no error; everything else rejects with the system's own (`code`). */
export interface KernelFiles {
  /** Without the newline at its end; undefined: there is none. */
  text(path: string): Promise<string | undefined>;
  /** In a directory, in order; none when there is none. */
  names(path: string): Promise<readonly string[]>;
  /** After every symbolic link; undefined: nothing is there. */
  realPath(path: string): Promise<string | undefined>;
  /** Of a file without an end of its own, such as a device's configuration space; 0: there is none. */
  length(path: string): Promise<number>;
  write(path: string, text: string): Promise<void>;
  /** False while another process has it open, for devices that one may open at a time (EBUSY). */
  isFree(path: string): Promise<boolean>;
}

/** The host's, or a tree's that looks like it. */
export function nodeKernelFiles(root = ''): KernelFiles {
  const at = (path: string): string => `${root}${path}`;
  return {
    text: (path) => fs.readFile(at(path), 'utf8').then((text) => text.replace(/\n$/, ''), unlessMissing(undefined)),
    names: (path) => fs.readdir(at(path)).then((names) => names.sort(), unlessMissing<readonly string[]>([])),
    realPath: (path) => fs.realpath(at(path)).then((real) => real.slice(root.length), unlessMissing(undefined)),
    length: (path) => fs.stat(at(path)).then(({ size }) => size, unlessMissing(0)),
    write: (path, text) => write(at(path), text),
    isFree: (path) => isFree(at(path)),
  };
}

/** In one call, since the kernel takes each as an order; never a new file. */
async function write(path: string, text: string): Promise<void> {
  await using file = await fs.open(path, constants.O_WRONLY | constants.O_TRUNC);
  await file.write(text);
}

async function isFree(path: string): Promise<boolean> {
  try {
    await using _file = await fs.open(path, constants.O_RDWR);
    return true;
  } catch (error) {
    const code = codeOf(error);
    if (code === 'EBUSY') return false;
    if (code === 'ENOENT' || code === 'ENODEV' || code === 'ENXIO') return true;
    throw error;
  }
}

export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

function unlessMissing<T>(instead: T): (error: unknown) => T {
  return (error) => {
    const code = codeOf(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return instead;
    throw error;
  };
}
