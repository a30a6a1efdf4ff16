import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CommandRunner } from './command-runner.ts';

/**
 * Sections that a module does not need to run: type data for BPF tracing, which the kernel would parse whole, its own base
 * included, at the first module that has some; and the compiler's name.
 */
const DROPPED = ['.BTF', '.comment'];

/**
 * Strips modules of debug data. That takes the distribution's signature off them too: the kernel checks signatures only under
 * lockdown or module.sig_enforce, neither of which a guest has whose modules come in the same image as its init.
 * @returns the objects in the order given
 */
export async function stripModules(objects: readonly Uint8Array[], runner: CommandRunner, signal: AbortSignal): Promise<Buffer[]> {
  if (objects.length === 0) return [];
  const directory = await mkdtemp(join(tmpdir(), 'viv-strip-'));
  try {
    const paths = objects.map((_object, index) => join(directory, `${index}.ko`));
    await Promise.all(paths.map(async (path, index) => writeFile(path, objects[index] ?? new Uint8Array())));
    await runner.run('strip', ['--strip-debug', '--enable-deterministic-archives', ...DROPPED.map((name) => `--remove-section=${name}`), ...paths], { signal });
    return await Promise.all(paths.map(async (path) => readFile(path)));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** First line of `strip --version`: part of the inputs, since another strip may lay a file out differently. */
export async function stripVersion(runner: CommandRunner, signal: AbortSignal): Promise<string> {
  const { stdout } = await runner.run('strip', ['--version'], { signal });
  return stdout.toString('utf8').split('\n')[0] ?? '';
}
