/** What an image says of the containers that run it (OCI image-spec 1.1, config.md). */
export interface ImageSettings {
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly env: readonly string[];
  /** Empty: `/`. */
  readonly workingDir: string;
  readonly user: string;
  readonly stopSignal: string;
  /** Absolute paths whose content is data. */
  readonly volumes: readonly string[];
  /** `80/tcp` */
  readonly exposedPorts: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

/** All digests are `sha256:HEX`. */
export interface ImageLayer {
  /** Of the uncompressed archive. */
  readonly diffId: string;
  /** Of this layer on top of those below it; names its unpacked directory. */
  readonly chainId: string;
  /** Of the blob as it was fetched; empty when it was made here. */
  readonly digest: string;
  readonly sizeBytes: number;
  readonly unpackedBytes: number;
}

/** What is on disk of one image. Its names are kept apart from it (core/ports/images.ts). */
export interface ImageRecord {
  /** Digest of its configuration. */
  readonly id: string;
  /** Digest of the manifest that it was fetched by; empty when there was none. */
  readonly manifestDigest: string;
  /** `registry`, `oci-layout`, `docker-archive` or `directory`. */
  readonly source: string;
  readonly os: string;
  /** With its variant, as `arm64/v8`. */
  readonly architecture: string;
  readonly settings: ImageSettings;
  /** The lowest first, as in the image. */
  readonly layers: readonly ImageLayer[];
  readonly createdAtMs: number | undefined;
  readonly pulledAtMs: number;
  /** Its last name was taken away on request: it goes with the last container that uses it. */
  readonly removed: boolean;
}

export const NO_SETTINGS: ImageSettings = Object.freeze({ entrypoint: [], command: [], env: [], workingDir: '', user: '', stopSignal: '', volumes: [], exposedPorts: [], labels: {} });

/** Digits of an id that are shown: `sha256:` left out. */
export function shortImageId(id: string): string {
  return id.slice('sha256:'.length, 'sha256:'.length + 12);
}

/** Bytes that an image's layers take unpacked, a layer that comes twice counted once. */
export function unpackedBytes(layers: readonly ImageLayer[]): number {
  return [...new Map(layers.map((layer) => [layer.chainId, layer.unpackedBytes])).values()].reduce((sum, bytes) => sum + bytes, 0);
}
