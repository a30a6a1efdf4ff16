import { open, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { CliError } from '../cli-error.ts';
import type { CommandContext } from '../context.ts';

/** A file that will hold a container's id; it goes away again when no id was written. */
export interface Cidfile extends AsyncDisposable {
  write(id: string): Promise<void>;
}

/**
 * Makes the file before anything else is made, so that an existing one is noticed in time.
 * @throws {CliError} when the file exists
 */
export async function reserveCidfile(context: CommandContext, path: string | undefined): Promise<Cidfile> {
  if (path === undefined) return { write: async () => undefined, [Symbol.asyncDispose]: async () => undefined };
  const file = resolve(context.cwd, path);
  const handle = await openNew(file);
  let written = false;
  return {
    write: async (id) => {
      await handle.writeFile(`${id}\n`);
      written = true;
    },
    [Symbol.asyncDispose]: async () => {
      await handle.close();
      if (!written) await rm(file, { force: true });
    },
  };
}

async function openNew(file: string): ReturnType<typeof open> {
  try {
    return await open(file, 'wx');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') {
      throw new CliError(`--cidfile: ${file} exists already`, { remedy: 'another container may use it: remove the file or name another', cause: error });
    }
    throw error;
  }
}
