import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Launcher } from '../../src/core/ports/host.ts';
import { SystemIdSource } from '../../src/host/id-source.ts';
import { startHelperProcess } from '../../src/host/helper-process.ts';
import { HostCalls } from '../../src/host/host-calls.ts';
import { SystemProcessRunner } from '../../src/host/process-runner.ts';
import { SystemClock } from '../../src/host/system-clock.ts';
import { LayerLinks } from '../../src/storage/layer-links.ts';
import { Mounter } from '../../src/storage/mounter.ts';
import { OverlayRootfs } from '../../src/storage/overlay-rootfs.ts';
import { nodeStorageFiles } from '../../src/storage/storage-files.ts';
import { BackgroundTrash } from '../../src/storage/trash.ts';
import { VirtiofsdDriver } from '../../src/storage/virtiofsd.ts';
import { launcherPath } from './launcher-path.ts';
import { MemoryLogger } from '../fakes/memory-logger.ts';

/** The storage room on the real host, as the daemon's wiring makes it. */
export class StorageParts implements AsyncDisposable {
  readonly clock = new SystemClock();
  readonly runner = new SystemProcessRunner();
  readonly helper = new HostCalls({ start: () => startHelperProcess(launcherPath()), clock: this.clock });
  readonly files = nodeStorageFiles();
  readonly logger = new MemoryLogger();
  readonly mounter: Mounter;
  readonly trash: BackgroundTrash;
  readonly rootfs: OverlayRootfs;
  readonly root: string;

  private constructor(root: string, busyDeadlineMs: number) {
    this.root = root;
    this.mounter = new Mounter({ calls: this.helper, clock: this.clock, readMountInfo: async () => await readFile('/proc/self/mountinfo', 'utf8'), busyDeadlineMs });
    this.trash = new BackgroundTrash({ files: this.files, removal: this.helper, ids: new SystemIdSource(), logger: this.logger });
    this.rootfs = new OverlayRootfs({ mounter: this.mounter, files: this.files, trash: this.trash, links: new LayerLinks(join(root, 'l'), this.files) });
  }

  static async make(busyDeadlineMs = 2_000): Promise<StorageParts> {
    return new StorageParts(await mkdtemp(join(tmpdir(), 'vv-')), busyDeadlineMs);
  }

  shares(launcher: Launcher): VirtiofsdDriver {
    const { runner, mounter, files, clock } = this;
    return new VirtiofsdDriver({ launcher, runner, mounter, files, clock, readLimits: async () => await readFile('/proc/self/limits', 'utf8') });
  }

  async mountsBelow(path: string): Promise<readonly string[]> {
    return (await this.mounter.table()).map((entry) => entry.mountPoint).filter((point) => point.startsWith(`${path}/`));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.trash.settled();
    await this.mounter.unmountAll(this.root);
    await rm(this.root, { recursive: true, force: true });
    this.helper.close();
  }
}
