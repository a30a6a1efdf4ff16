import type { ImageLayer, ImageRecord, ImageSettings } from '../model/image.ts';
import type { WaitOptions } from './host.ts';

/** How far one layer is, or the whole when `layer` is empty. */
export interface ImageProgress {
  readonly step: string;
  /** Digest of its blob. */
  readonly layer: string;
  readonly doneBytes: number;
  /** 0: not known. */
  readonly totalBytes: number;
}

export interface RegistryAuth {
  readonly username: string;
  readonly password: string;
  readonly identityToken: string;
}

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant: string;
}

/** An image whose layers lie unpacked in the store. */
export interface UnpackedImage {
  /** Those that came with it: of an archive. */
  readonly names: readonly string[];
  readonly manifestDigest: string;
  readonly configDigest: string;
  readonly source: string;
  readonly platform: Platform;
  readonly settings: ImageSettings;
  readonly createdAtMs: number | undefined;
  readonly layers: readonly ImageLayer[];
}

export interface UnpackOutcome {
  readonly images: readonly UnpackedImage[];
  readonly fetchedBytes: number;
}

export interface PullCall {
  /** The full reference. */
  readonly reference: string;
  readonly platform: Platform;
  readonly insecure: boolean;
  /** Undefined: what the auth file has. */
  readonly auth: RegistryAuth | undefined;
}

/** The image tool (docs/protocols/image-tool.md). `report` is called in order, and not after the promise has settled. */
export interface ImageTool {
  /**
   * IMAGE_NOT_FOUND, IMAGE_UNAUTHORIZED, IMAGE_PULL_FAILED, IMAGE_RATE_LIMITED, IMAGE_INVALID, IMAGE_WRONG_PLATFORM, IMAGE_TOO_LARGE, STORAGE_FULL,
   * HOST_RESOURCE, DEADLINE; the signal's reason once the tool has ended.
   */
  pull(call: PullCall, report: (progress: ImageProgress) => void, options?: WaitOptions): Promise<UnpackOutcome>;
  /** The same errors; INVALID_REQUEST for a path that can't be read as an image. */
  import(call: { readonly path: string; readonly platform: Platform }, report: (progress: ImageProgress) => void, options?: WaitOptions): Promise<UnpackOutcome>;
}

export interface NamedImage {
  readonly record: ImageRecord;
  /** Full references, sorted. */
  readonly names: readonly string[];
}

/** Which images there are, and what they are called. Reads are of memory; a change is on disk when it resolves. */
export interface ImageLibrary {
  readonly images: readonly NamedImage[];
  /** Files that can't be read. While there are any, nobody knows which layers are needed. */
  readonly unreadable: readonly string[];
  /** By name, by repository and manifest digest, by id or by an unambiguous beginning of it. AMBIGUOUS_ID. */
  find(reference: string): NamedImage | undefined;
  get(id: string): NamedImage | undefined;
  /** Writes it down and gives it these names, taken away from whatever had them. */
  add(record: ImageRecord, names: readonly string[]): Promise<void>;
  /** Takes names away. */
  unname(names: readonly string[]): Promise<void>;
  /** With `removed` said of it, or no more. */
  mark(id: string, removed: boolean): Promise<void>;
  /** Its names and its record. */
  forget(id: string): Promise<void>;
}

/** One thing of the store that is no record. */
export interface StoredPart {
  readonly kind: 'layer' | 'blob' | 'partial' | 'work' | 'disk';
  /** `sha256:…` of layers (chain id), blobs, partial blobs, and disks of pulled images; a name of other disks, and in work/. */
  readonly id: string;
  readonly path: string;
  readonly sizeBytes: number;
}

/** What the image tool keeps on disk. */
export interface ImageParts {
  list(): Promise<readonly StoredPart[]>;
  /** Out of the store at once, removed in the background. */
  discard(parts: readonly StoredPart[]): Promise<void>;
  /**
   * Runs work while no image tool is at work on the store, those included that an earlier daemon left behind; `undefined`, and nothing done, when one
   * is for longer than a moment. HOST_RESOURCE when the lock can't be had at all.
   */
  exclusively<T>(work: () => Promise<T>): Promise<T | undefined>;
}
