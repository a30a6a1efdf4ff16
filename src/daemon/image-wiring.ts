import type { ImageLibrary, ImageParts, Platform } from '../core/ports/images.ts';
import type { ImageStore, Trash } from '../core/ports/storage.ts';
import type { Clock } from '../core/ports/host.ts';
import type { Logger } from '../core/ports/telemetry.ts';
import { startConversation } from '../host/conversation.ts';
import { SystemFiles } from '../host/files.ts';
import { DirectoryImageStore } from '../storage/image-store.ts';
import { FileImageLibrary } from '../storage/images/image-library.ts';
import { StoredImageParts } from '../storage/images/image-parts.ts';
import { ImageToolClient } from '../storage/images/image-tool.ts';
import { KnownImages } from '../storage/images/known-images.ts';
import type { StorageFiles } from '../storage/storage-files.ts';
import type { DaemonConfig } from './config.ts';
import type { Deps } from './services/deps.ts';
import { Images } from './services/image-operations.ts';
import { releaseImages } from './services/image-releases.ts';
import { ImageSweep } from './services/image-sweep.ts';
import { imageUses } from './services/image-uses.ts';
import type { Registry } from './services/registry.ts';

/** Names of Go's, which images use, for Node's. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386', loong64: 'loong64', ppc64: 'ppc64le' };

export interface ImageDisk {
  readonly library: ImageLibrary;
  readonly parts: ImageParts;
  readonly images: ImageStore;
}

/** What there is of images on disk; read before anything else asks for one. */
export async function openImages(config: DaemonConfig, place: { readonly files: StorageFiles; readonly trash: Trash; readonly logger: Logger; readonly trashDir: string }): Promise<ImageDisk> {
  const { files, trash, logger, trashDir } = place;
  const store = imageDirectory(config);
  const library = await FileImageLibrary.open({ files: new SystemFiles(), list: (path) => files.list(path), logger }, store);
  return {
    library,
    parts: new StoredImageParts({ files, trash, start: startConversation, store, trashDir }),
    images: new KnownImages(library, new DirectoryImageStore(config.imageDirs, files), store),
  };
}

/** The verbs on images. */
export function wireImages(config: DaemonConfig, disk: ImageDisk, { deps, registry }: { readonly deps: Deps; readonly registry: Registry }): Images {
  const { library, parts, images } = disk;
  const uses = () => imageUses(registry.sandboxes.map(({ record }) => record), [...registry.unreadable.keys()]);
  const sweep = new ImageSweep({ library, store: parts, uses, resolving: deps.resolving, log: deps.log });
  const operations = new Images({ store: images, library, disk: parts, tool: wireTool(config, deps.clock), sweep, uses, clock: deps.clock, failpoints: deps.failpoints, platform: hostPlatform() });
  void releaseImages({ events: deps.hub, library, sweep: () => operations.sweep(), log: deps.log });
  return operations;
}

function wireTool(config: DaemonConfig, clock: Clock): ImageToolClient {
  return new ImageToolClient({
    start: startConversation,
    clock,
    program: config.imageTool,
    store: imageDirectory(config),
    mirrors: config.registryMirrors,
    authFile: config.registryAuthFile === 'none' ? '' : config.registryAuthFile,
    limits: {
      layerBytes: config.imagesMaxLayer,
      imageBytes: config.imagesMaxImage,
      files: config.imagesMaxFiles,
      layers: config.imagesMaxLayers,
      stallMs: config.imagesStallTime,
      retries: config.imagesRetries,
      atOnce: config.imagesAtOnce,
    },
  });
}

/** Of images that were made into disks. */
export function imageDisksDirectory(config: DaemonConfig): string {
  return `${imageDirectory(config)}/disks`;
}

function imageDirectory({ root }: DaemonConfig): string {
  return `${root}/images`;
}

function hostPlatform(): Platform {
  return { os: 'linux', architecture: ARCHITECTURES[process.arch] ?? process.arch, variant: '' };
}
