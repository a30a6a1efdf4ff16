import { statfs } from 'node:fs/promises';
import type { Clock, IdSource, ProcessRunner } from '../core/ports/host.ts';
import type { Trash } from '../core/ports/storage.ts';
import type { VolumeFiller, VolumeStore } from '../core/ports/volumes.ts';
import type { Logger } from '../core/ports/telemetry.ts';
import { SystemFiles } from '../host/files.ts';
import type { LayerLinks } from '../storage/layer-links.ts';
import type { Mounter } from '../storage/mounter.ts';
import type { StorageFiles } from '../storage/storage-files.ts';
import { ImageFiller } from '../storage/volumes/volume-filler.ts';
import type { VolumeLedgerParts } from '../storage/volumes/volume-ledger.ts';
import { nodeVolumeMaker } from '../storage/volumes/volume-maker.ts';
import { DirectoryVolumeStore } from '../storage/volumes/volume-store.ts';
import { ContainerVolumes } from './services/container-volumes.ts';
import type { Registry } from './services/registry.ts';
import { Volumes } from './services/volume-operations.ts';
import { VolumeUses } from './services/volume-uses.ts';

export interface VolumePlace {
  readonly root: string;
  readonly trashDir: string;
  readonly files: StorageFiles;
  readonly trash: Trash;
  readonly runner: ProcessRunner;
  readonly mounter: Mounter;
  readonly links: LayerLinks;
  readonly logger: Logger;
}

export interface VolumeDisk {
  readonly store: VolumeStore;
  readonly filler: VolumeFiller;
}

/** What there is of volumes on disk; read before anything else asks for one. */
export async function openVolumes({ root, ...parts }: VolumePlace): Promise<VolumeDisk> {
  const figures = async (path: string): Promise<{ blockBytes: number; blocks: number; available: number; inodes: number; inodesFree: number }> => {
    const { bsize, blocks, bavail, files, ffree } = await statfs(path);
    return { blockBytes: bsize, blocks, available: bavail, inodes: files, inodesFree: ffree };
  };
  const store = await DirectoryVolumeStore.open({ ...parts, documents: new SystemFiles(), maker: nodeVolumeMaker(parts.runner), figures }, `${root}/volumes`);
  return { store, filler: new ImageFiller(parts) };
}

export interface WiredVolumes {
  readonly operations: Volumes;
  readonly ofContainers: ContainerVolumes;
  readonly ledger: VolumeLedgerParts;
}

/** The verbs on volumes, and what containers have of them. */
export function wireVolumes({ store, filler }: VolumeDisk, host: { readonly clock: Clock; readonly ids: IdSource; readonly log: Logger }, registry: Registry): WiredVolumes {
  const uses = new VolumeUses(() => registry.sandboxes.filter(({ actor }) => !actor.gone).map(({ record }) => record), () => [...registry.unreadable.keys()]);
  return {
    operations: new Volumes({ store, uses, ...host }),
    ofContainers: new ContainerVolumes({ store, filler, uses, ...host }),
    ledger: { store, isUsed: (name) => uses.unreadable.length > 0 || uses.isUsed(name) },
  };
}
