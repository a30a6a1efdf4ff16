import { readFileSync, writeFileSync } from 'node:fs';
import { rename } from 'node:fs/promises';

/** What TokenStore of src/agents needs of `node:fs/promises`, with the same errors. */
export interface SmallFiles {
  readFile(path: string, encoding: 'utf8'): Promise<string>;
  writeFile(path: string, data: string, options: { mode: number }): Promise<void>;
  rename(from: string, to: string): Promise<void>;
}

/**
 * Small files of the run directory, which is memory: done at once, since each turn through the thread pool takes longer than the work. But for the rename: where that
 * directory is on a disk all the same, it waits for the file's bytes to get there.
 */
export function runFiles(): SmallFiles {
  return {
    readFile: async (path, encoding) => readFileSync(path, encoding),
    writeFile: async (path, data, options) => { writeFileSync(path, data, options); },
    rename,
  };
}
