import { readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../files.ts';
import { directoryEntries } from './directory-entries.ts';

const GONE: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ESRCH', 'EACCES', 'EPERM']);
const PARALLEL = 8;

/**
 * Which processes hold something at or below a path, as `sleep (pid 12): cwd`. Looks at working directories, roots, programs and open
 * files of the whole host: for an answer to an operator, not for every audit.
 */
export async function holdersOf(path: string, procRoot = '/proc'): Promise<readonly string[]> {
  const pids = (await directoryEntries(procRoot)).map(({ name }) => name).filter((name) => /^\d+$/.test(name));
  const found: string[] = [];
  const worker = async (): Promise<void> => {
    for (let pid = pids.shift(); pid !== undefined; pid = pids.shift()) {
      const how = await heldBy(join(procRoot, pid), path);
      if (how !== undefined) found.push(`${await commandOf(join(procRoot, pid))} (pid ${pid}): ${how}`);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
  return found;
}

async function heldBy(directory: string, path: string): Promise<string | undefined> {
  for (const link of ['cwd', 'root', 'exe']) {
    if (isAtOrBelow(await target(join(directory, link)), path)) return link;
  }
  try {
    for (const { name } of await directoryEntries(join(directory, 'fd'))) {
      if (isAtOrBelow(await target(join(directory, 'fd', name)), path)) return `fd ${name}`;
    }
  } catch (error) {
    if (!GONE.has(errnoOf(error))) throw error;
  }
  return undefined;
}

async function target(link: string): Promise<string> {
  try {
    return await readlink(link);
  } catch (error) {
    if (GONE.has(errnoOf(error))) return '';
    throw error;
  }
}

async function commandOf(directory: string): Promise<string> {
  try {
    return (await readFile(join(directory, 'comm'), 'utf8')).trim();
  } catch (error) {
    if (GONE.has(errnoOf(error))) return '?';
    throw error;
  }
}

function isAtOrBelow(path: string, directory: string): boolean {
  return path === directory || path.startsWith(`${directory}/`);
}
