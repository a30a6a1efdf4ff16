import { rm, mkdir } from 'node:fs/promises';
import { DomainError } from '../core/model/errors.ts';
import { unmountOrder } from './mount-table.ts';
import type { Mounter } from './mounter.ts';

/** Directories of our own making. What is mounted is never removed through: that would delete what the mount shows. */
export class StateDirectories {
  readonly #mounter: Mounter;

  constructor(mounter: Mounter) {
    this.#mounter = mounter;
  }

  async make(path: string): Promise<void> {
    await mkdir(path, { recursive: true, mode: 0o700 });
  }

  /** Missing is fine. ROOTFS_FAILED, and nothing removed, when something is mounted below. */
  async remove(path: string): Promise<void> {
    const mounted = unmountOrder(await this.#mounter.table(), path)[0];
    if (mounted !== undefined) {
      throw new DomainError('ROOTFS_FAILED', `${path} is not removed: ${mounted.mountPoint} is still mounted`, { remedy: 'end what uses it; it is tried again', facts: { mount: mounted.mountPoint } });
    }
    await rm(path, { recursive: true, force: true });
  }
}
