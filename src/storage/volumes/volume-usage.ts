import { DomainError } from '../../core/model/errors.ts';
import type { VolumeRecord } from '../../core/model/volume.ts';
import type { ProcessRunner, WaitOptions } from '../../core/ports/host.ts';
import type { VolumeUsage } from '../../core/ports/volumes.ts';

/** What the kernel says of the file system below a path (statfs(2)). */
export type FileSystemFigures = (path: string) => Promise<{ readonly blockBytes: number; readonly blocks: number; readonly available: number; readonly inodes: number; readonly inodesFree: number }>;

export interface MeasureParts {
  readonly runner: ProcessRunner;
  readonly figures: FileSystemFigures;
}

/** Millions of files take that long. */
const COUNT_MS = 30_000;

/** A directory has what it takes and the room of the file system that it shares; of a disk the host sees its size and what is written of it. */
export async function measureVolume({ runner, figures }: MeasureParts, volume: VolumeRecord, path: string, { signal }: WaitOptions): Promise<VolumeUsage> {
  const count = async (...args: readonly string[]): Promise<number> => {
    const { code, stdout, stderr } = await runner.run('du', ['--summarize', '--one-file-system', ...args, '--', path], { timeoutMs: COUNT_MS, signal });
    const counted = Number(/^\d+/.exec(stdout)?.[0] ?? Number.NaN);
    // It goes on past what vanishes meanwhile, and ends with 1 then.
    if (Number.isNaN(counted)) throw new DomainError('HOST_RESOURCE', `du ended with ${code}: ${stderr.trim()}`, { remedy: 'look at the volume on the host' });
    return counted;
  };
  const hostBytes = await count('--block-size=1');
  if (volume.kind === 'block') return { capacityBytes: volume.sizeBytes, usedBytes: hostBytes, availableBytes: Math.max(0, volume.sizeBytes - hostBytes), inodes: 0, inodesUsed: 0, inodesAvailable: 0, hostBytes };
  const [inodesUsed, { blockBytes, blocks, available, inodes, inodesFree }] = await Promise.all([count('--inodes'), figures(path)]);
  return { capacityBytes: blocks * blockBytes, usedBytes: hostBytes, availableBytes: available * blockBytes, inodes, inodesUsed, inodesAvailable: inodesFree, hostBytes };
}
