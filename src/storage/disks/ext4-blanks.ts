import { dirname, join } from 'node:path';
import { SharedWork } from '../../base/shared-work.ts';
import type { ProcessRunner, WaitOptions } from '../../core/ports/host.ts';
import type { BlankDisks } from '../../core/ports/rootfs-disks.ts';
import type { StorageFiles } from '../storage-files.ts';
import { runDiskTool } from './disk-tool.ts';

export interface Ext4BlankParts {
  readonly runner: ProcessRunner;
  readonly files: StorageFiles;
  /** The image store's `disks`. */
  readonly directory: string;
}

/** Some MB on the disk, whatever the size: tables and journal are zeroed by whoever uses them first, which a sparse file's are already. */
const FORMAT = ['-q', '-F', '-m', '0', '-J', 'size=16', '-E', 'lazy_itable_init=1,lazy_journal_init=1,nodiscard'];

/** Formatted once for each size, then copied with its holes. */
export class Ext4Blanks implements BlankDisks {
  readonly #parts: Ext4BlankParts;
  readonly #formatting = new Map<string, SharedWork<undefined>>();

  constructor(parts: Ext4BlankParts) {
    this.#parts = parts;
  }

  async provide(path: string, sizeBytes: number, options: WaitOptions = {}): Promise<void> {
    const { files, runner } = this.#parts;
    if ((await files.inspect(path))?.kind === 'file') return;
    const blank = join(this.#parts.directory, `blank-${sizeBytes}`);
    await this.#formatted(blank, sizeBytes, options);
    await files.makeDirectory(dirname(path));
    await this.#published(path, (temporary) => runDiskTool(runner, 'cp', ['--sparse=always', '--reflink=auto', '--', blank, temporary], options));
  }

  async #formatted(blank: string, sizeBytes: number, options: WaitOptions): Promise<void> {
    const { files, runner } = this.#parts;
    for (;;) {
      const work = this.#formatting.get(blank);
      if (work !== undefined && !work.abandoned) {
        await work.join(options.signal);
        return;
      }
      if (work !== undefined) {
        await work.ended(options.signal);
        continue;
      }
      if ((await files.inspect(blank))?.kind === 'file') return;
      if (this.#formatting.has(blank)) continue;
      this.#formatting.set(blank, new SharedWork(async (signal): Promise<undefined> => {
        try {
          await files.makeDirectory(dirname(blank));
          // mkfs.ext4 makes the file: its size stands behind it, in KiB.
          await this.#published(blank, (temporary) => runDiskTool(runner, 'mkfs.ext4', [...FORMAT, temporary, `${Math.floor(sizeBytes / 1024)}k`], { signal }));
        } finally {
          this.#formatting.delete(blank);
        }
      }));
    }
  }

  /** Whole, or not there. */
  async #published(path: string, make: (temporary: string) => Promise<void>): Promise<void> {
    const { files } = this.#parts;
    const temporary = `${path}.new`;
    await files.removeTree(temporary);
    try {
      await make(temporary);
      await files.rename(temporary, path);
    } catch (error) {
      await files.removeTree(temporary);
      throw error;
    }
  }
}
