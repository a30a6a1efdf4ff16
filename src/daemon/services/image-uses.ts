import { dirname } from 'node:path';
import type { SandboxRecord } from '../../core/model/record.ts';

/** What containers need of the images, by their records. */
export interface ImageUses {
  /** Image id → ids of the containers that started from it. */
  readonly images: ReadonlyMap<string, readonly string[]>;
  /** Chain ids. */
  readonly layers: ReadonlySet<string>;
  /** Directories of images as disks. */
  readonly disks: ReadonlySet<string>;
  /** Sandboxes whose records can't be read. */
  readonly unreadable: readonly string[];
}

const LAYER = /\/layers\/sha256\/([0-9a-f]{64})$/;

export function imageUses(records: readonly SandboxRecord[], unreadable: readonly string[]): ImageUses {
  const images = new Map<string, string[]>();
  const layers = new Set<string>();
  for (const { id, imageId, lower, lowerLayers } of records.flatMap(({ containers }) => containers)) {
    if (imageId !== '') images.set(imageId, [...(images.get(imageId) ?? []), id]);
    for (const directory of [lower, ...lowerLayers]) {
      // `…/layers/sha256/HEX/fs`
      const hex = LAYER.exec(dirname(directory))?.[1];
      if (hex !== undefined) layers.add(`sha256:${hex}`);
    }
  }
  const disks = records.flatMap(({ containers }) => containers.flatMap(({ rootfs }) => (rootfs.disks === undefined ? [] : [dirname(rootfs.disks.image.path)])));
  return { images, layers, disks: new Set(disks), unreadable };
}
