import { chmod, mkdir, open } from 'node:fs/promises';
import { constants } from 'node:fs';
import { DomainError } from '../../core/model/errors.ts';
import type { VolumeSpec } from '../../core/model/volume.ts';
import type { ProcessRunner, WaitOptions } from '../../core/ports/host.ts';

/** Some seconds for a large disk: its tables are written at once. */
const FORMAT_MS = 60_000;

/** Makes what a volume's data is. All reject with Node's errno errors, or with DomainError. */
export interface VolumeMaker {
  directory(path: string, mode: number): Promise<void>;
  /** A file without blocks, with its file system. */
  disk(path: string, volume: Pick<VolumeSpec, 'sizeBytes' | 'filesystem'>, options?: WaitOptions): Promise<void>;
  /** Never makes it smaller. */
  grow(path: string, sizeBytes: number): Promise<void>;
  /** The names in a directory outlast a power loss. */
  sync(directory: string): Promise<void>;
}

export function nodeVolumeMaker(runner: ProcessRunner): VolumeMaker {
  return {
    async directory(path, mode) {
      await mkdir(path);
      // Whatever the umask.
      await chmod(path, mode);
    },
    async disk(path, { sizeBytes, filesystem }, options = {}) {
      await using file = await open(path, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o600);
      await file.truncate(sizeBytes);
      if (filesystem === 'ext4') await makeExt4(runner, path, options);
      await file.sync();
    },
    async grow(path, sizeBytes) {
      await using file = await open(path, constants.O_WRONLY | constants.O_NOFOLLOW);
      if ((await file.stat()).size < sizeBytes) await file.truncate(sizeBytes);
      await file.sync();
    },
    async sync(directory) {
      await using handle = await open(directory, constants.O_RDONLY | constants.O_DIRECTORY);
      await handle.sync();
    },
  };
}

/**
 * Blocks of 4 KiB whatever the size, so that one that was made small grows like any other. Nothing is set aside for root, since all of it is its user's. A new
 * file reads as zeroes, so neither mke2fs nor the guest's kernel writes any.
 */
async function makeExt4(runner: ProcessRunner, path: string, { signal }: WaitOptions): Promise<void> {
  const args = ['-q', '-F', '-t', 'ext4', '-b', '4096', '-m', '0', '-E', 'assume_storage_prezeroed=1,nodiscard,root_owner=0:0', path];
  const { code, stderr } = await runner.run('mke2fs', args, { timeoutMs: FORMAT_MS, signal, env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' } });
  if (code !== 0) throw new DomainError('HOST_RESOURCE', `mke2fs ended with ${code}: ${stderr.trim()}`, { remedy: 'install e2fsprogs; a volume with filesystem "none" needs none', facts: { exit_code: String(code) } });
}
