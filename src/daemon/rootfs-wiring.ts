import type { ProcessRunner } from '../core/ports/host.ts';
import type { Trash } from '../core/ports/storage.ts';
import type { Logger } from '../core/ports/telemetry.ts';
import { SystemFiles } from '../host/files.ts';
import { ErofsImages } from '../storage/disks/erofs-images.ts';
import { Ext4Blanks } from '../storage/disks/ext4-blanks.ts';
import { LayerLinks } from '../storage/layer-links.ts';
import type { Mounter } from '../storage/mounter.ts';
import { OverlayRootfs } from '../storage/overlay-rootfs.ts';
import { readUserFiles } from '../storage/rootfs-users.ts';
import type { StorageFiles } from '../storage/storage-files.ts';
import { makeVolumeDirectories } from '../storage/volume-directories.ts';
import type { DaemonConfig } from './config.ts';
import { imageDisksDirectory } from './image-wiring.ts';
import type { Deps } from './services/deps.ts';

export interface RootfsParts {
  readonly mounter: Mounter;
  readonly files: StorageFiles;
  readonly trash: Trash;
  readonly runner: ProcessRunner;
  readonly logger: Logger;
}

/** The ways in which a root file system gets to its guest. */
export async function wireRootfs(config: DaemonConfig, { mounter, files, trash, runner, logger }: RootfsParts): Promise<Pick<Deps, 'rootfs' | 'imageDisks' | 'blankDisks'>> {
  const links = new LayerLinks(`${config.run}/l`, files);
  const directory = imageDisksDirectory(config);
  const published = new SystemFiles();
  const imageDisks = new ErofsImages({ mounter, files, links, runner, readUserFiles, makeVolumes: makeVolumeDirectories, directory, write: (path, text) => published.publish(path, text) });
  await imageDisks.clear().catch((error: unknown) => { logger.warn({ error }, 'what an earlier daemon left of an image on its way to a disk stays'); });
  return {
    rootfs: new OverlayRootfs({ mounter, files, trash, links }),
    imageDisks,
    blankDisks: new Ext4Blanks({ runner, files, directory }),
  };
}
