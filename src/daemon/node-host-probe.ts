import { access, constants, mkdir, readFile, statfs, unlink, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { HostProbe } from './services/host-probe.ts';

/** The host as it is. */
export class NodeHostProbe implements HostProbe {
  readonly nodeVersion = process.versions.node;
  readonly uid = process.getuid?.() ?? -1;
  readonly cpus = availableParallelism();

  async readText(path: string): Promise<string | undefined> {
    return await readFile(path, 'utf8').catch(() => undefined);
  }

  async exists(path: string): Promise<boolean> {
    return await may(path, constants.F_OK);
  }

  async executable(path: string): Promise<boolean> {
    return await may(path, constants.X_OK);
  }

  async readWritable(path: string): Promise<boolean> {
    return await may(path, constants.R_OK | constants.W_OK);
  }

  async tryWriting(directory: string): Promise<string | undefined> {
    const file = join(directory, `.doctor-${process.pid}`);
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      await writeFile(file, 'x');
      await unlink(file);
      return undefined;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  async freeBytes(directory: string): Promise<number | undefined> {
    const stats = await statfs(directory).catch(() => undefined);
    return stats === undefined ? undefined : stats.bavail * stats.bsize;
  }
}

async function may(path: string, mode: number): Promise<boolean> {
  return await access(path, mode).then(() => true, () => false);
}
