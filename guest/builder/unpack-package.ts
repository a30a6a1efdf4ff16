import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CommandRunner } from './command-runner.ts';
import type { CpioEntry } from './cpio-newc.ts';
import { readTree } from './read-tree.ts';

/** What a guest without a reader has no use for; it would only take memory. */
const UNREAD = ['usr/share/doc', 'usr/share/man', 'usr/share/info', 'usr/share/locale', 'usr/share/lintian', 'usr/share/bug'];

/** The files of a Debian package as archive entries, owner and times dropped; maintainer scripts are not run. */
export async function unpackPackage(file: string, runner: CommandRunner, signal: AbortSignal): Promise<CpioEntry[]> {
  return withUnpacked(file, runner, signal, async (root) => readTree(root, '', (path) => UNREAD.includes(path)));
}

/** One file of a Debian package. */
export async function readFromPackage(file: string, path: string, runner: CommandRunner, signal: AbortSignal): Promise<Buffer> {
  return withUnpacked(file, runner, signal, async (root) => readFile(join(root, path)));
}

async function withUnpacked<T>(file: string, runner: CommandRunner, signal: AbortSignal, use: (root: string) => Promise<T>): Promise<T> {
  const root = await mkdtemp(join(tmpdir(), 'viv-deb-'));
  try {
    await runner.run('dpkg-deb', ['-x', file, root], { signal });
    return await use(root);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}
