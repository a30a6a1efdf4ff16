import type { ImageSettings } from '../../core/model/image.ts';
import type { ImageProgress, Platform, RegistryAuth } from '../../core/ports/images.ts';
import type { ImageConfig } from '../../core/ports/storage.ts';
import type { MutateOptions } from './facade.ts';

export interface ImageView {
  readonly image: ImageConfig;
  /** Ids of containers. */
  readonly usedBy: readonly string[];
}

export interface ImagePullSpec {
  /** As its caller wrote it. */
  readonly reference: string;
  readonly policy: 'missing' | 'always' | 'never';
  readonly auth: RegistryAuth | undefined;
  readonly insecure: boolean;
  /** Undefined: the host's. */
  readonly platform: Platform | undefined;
}

export interface ImageImportSpec {
  readonly path: string;
  /** Empty: the names in the archive. */
  readonly reference: string;
  readonly settings: ImageSettings;
}

export type ImagePullEvent =
  | { readonly kind: 'progress'; readonly progress: ImageProgress }
  | { readonly kind: 'result'; readonly view: ImageView; readonly upToDate: boolean; readonly fetchedBytes: number };

export type ImageImportEvent =
  | { readonly kind: 'progress'; readonly progress: ImageProgress }
  | { readonly kind: 'result'; readonly views: readonly ImageView[] };

export interface ImagesRemoved {
  /** Names. */
  readonly untagged: readonly string[];
  /** Ids. */
  readonly deleted: readonly string[];
  /** Out of the store by now; while the image tool is at work, that is done later. */
  readonly freedBytes: number;
}

/** What the services offer to the API about images. Everything rejects with DomainError. */
export interface ImageOperations {
  pull(spec: ImagePullSpec, options: MutateOptions): AsyncIterable<ImagePullEvent>;
  importImage(spec: ImageImportSpec, options: MutateOptions): AsyncIterable<ImageImportEvent>;
  /** Those with this in one of their names; empty: all. */
  list(part: string): Promise<{ readonly views: readonly ImageView[]; readonly totalBytes: number }>;
  get(reference: string): Promise<ImageView>;
  remove(reference: string, how: { readonly force: boolean }, options: MutateOptions): Promise<ImagesRemoved>;
  prune(how: { readonly all: boolean }, options: MutateOptions): Promise<ImagesRemoved>;
}
