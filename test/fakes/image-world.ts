import { GracePeriod } from '../../src/base/grace-period.ts';
import { deferred, raceSignal } from '../../src/base/abort.ts';
import type { ImageRecord } from '../../src/core/model/image.ts';
import { NO_SETTINGS } from '../../src/core/model/image.ts';
import type { Failpoints } from '../../src/core/ports/failpoints.ts';
import type { ImageParts, ImageProgress, ImageTool, PullCall, StoredPart, UnpackedImage, UnpackOutcome } from '../../src/core/ports/images.ts';
import type { WaitOptions } from '../../src/core/ports/host.ts';
import type { SandboxRecord } from '../../src/core/model/record.ts';
import { Images } from '../../src/daemon/services/image-operations.ts';
import { ImageSweep } from '../../src/daemon/services/image-sweep.ts';
import { imageUses } from '../../src/daemon/services/image-uses.ts';
import { DirectoryImageStore } from '../../src/storage/image-store.ts';
import { FileImageLibrary } from '../../src/storage/images/image-library.ts';
import { KnownImages } from '../../src/storage/images/known-images.ts';
import type { StorageFiles } from '../../src/storage/storage-files.ts';
import { ManualClock } from './manual-clock.ts';
import { MemoryFiles } from './memory-files.ts';
import { MemoryLogger } from './memory-logger.ts';

/** `sha256:` and the same digit. */
export const digest = (digit: string): string => `sha256:${digit.repeat(64)}`;

export function unpackedImage(change: Partial<UnpackedImage> = {}): UnpackedImage {
  return {
    names: [], manifestDigest: digest('e'), configDigest: digest('c'), source: 'registry', platform: { os: 'linux', architecture: 'amd64', variant: '' }, settings: NO_SETTINGS, createdAtMs: undefined,
    layers: [{ diffId: digest('1'), chainId: digest('1'), digest: digest('b'), sizeBytes: 10, unpackedBytes: 100 }],
    ...change,
  };
}

export function imageRecordOf(change: Partial<ImageRecord> = {}): ImageRecord {
  return { id: digest('c'), manifestDigest: digest('e'), source: 'registry', os: 'linux', architecture: 'amd64', settings: NO_SETTINGS, layers: unpackedImage().layers, createdAtMs: undefined, pulledAtMs: 1, removed: false, ...change };
}

/** A tool whose pulls end when the test says so. */
export class HeldTool implements ImageTool {
  readonly pulls: PullCall[] = [];
  readonly imports: string[] = [];
  /** Calls that were given up. */
  aborted = 0;
  report: (progress: ImageProgress) => void = () => undefined;
  #end = deferred<UnpackOutcome>();

  async pull(call: PullCall, report: (progress: ImageProgress) => void, options: WaitOptions = {}): Promise<UnpackOutcome> {
    this.pulls.push(call);
    return await this.#run(report, options);
  }

  async import({ path }: { readonly path: string }, report: (progress: ImageProgress) => void, options: WaitOptions = {}): Promise<UnpackOutcome> {
    this.imports.push(path);
    return await this.#run(report, options);
  }

  finish(...images: readonly UnpackedImage[]): void {
    this.#settle((end) => { end.resolve({ images, fetchedBytes: 10 }); });
  }

  fail(error: Error): void {
    this.#settle((end) => { end.reject(error); });
  }

  #settle(how: (end: ReturnType<typeof deferred<UnpackOutcome>>) => void): void {
    const end = this.#end;
    this.#end = deferred<UnpackOutcome>();
    how(end);
  }

  async #run(report: (progress: ImageProgress) => void, { signal }: WaitOptions): Promise<UnpackOutcome> {
    this.report = report;
    try {
      return await raceSignal(this.#end.promise, signal);
    } catch (error) {
      if (signal?.aborted === true) this.aborted += 1;
      throw error;
    }
  }
}

/** What lies in the store, as a list. */
export class MemoryParts implements ImageParts {
  parts: StoredPart[] = [];
  /** An image tool of an earlier daemon holds the lock. */
  locked = false;

  put(kind: StoredPart['kind'], id: string, sizeBytes = 1): void {
    this.parts.push({ kind, id, path: `/store/${kind}/${id}`, sizeBytes });
  }

  get left(): readonly string[] {
    return this.parts.map(({ kind, id }) => `${kind} ${id.slice(-1)}`);
  }

  async list(): Promise<readonly StoredPart[]> {
    return [...this.parts];
  }

  async discard(parts: readonly StoredPart[]): Promise<void> {
    this.parts = this.parts.filter(({ path }) => !parts.some((gone) => gone.path === path));
  }

  async exclusively<T>(work: () => Promise<T>): Promise<T | undefined> {
    return this.locked ? undefined : await work();
  }
}

/** The verbs on images over a store, a tool and sandboxes that are the test's. */
export class ImageWorld {
  readonly files = new MemoryFiles();
  readonly logger = new MemoryLogger();
  readonly tool = new HeldTool();
  readonly disk = new MemoryParts();
  readonly resolving = new GracePeriod();
  records: SandboxRecord[] = [];
  unreadable: string[] = [];
  /** What a daemon has that serves: none. */
  failpoints: Failpoints | undefined;
  library!: FileImageLibrary;
  images!: Images;

  static async open(): Promise<ImageWorld> {
    const world = new ImageWorld();
    await world.restart();
    return world;
  }

  /** Another daemon over the same files. */
  async restart(): Promise<void> {
    const list = async (directory: string): Promise<readonly string[]> => [...this.files.content.keys()].filter((path) => path.startsWith(`${directory}/`)).map((path) => path.slice(directory.length + 1));
    this.library = await FileImageLibrary.open({ files: this.files, list, logger: this.logger }, '/store');
    const noFiles = { list: async () => [], realPath: async () => { throw Object.assign(new Error('none'), { code: 'ENOENT' }); } } as unknown as StorageFiles;
    const store = new KnownImages(this.library, new DirectoryImageStore(['/embedded'], noFiles), '/store');
    const uses = () => imageUses(this.records, this.unreadable);
    const sweep = new ImageSweep({ library: this.library, store: this.disk, uses, resolving: this.resolving, log: this.logger });
    this.images = new Images({ store, library: this.library, disk: this.disk, tool: this.tool, sweep, uses, clock: new ManualClock(5000), failpoints: this.failpoints, platform: { os: 'linux', architecture: 'amd64', variant: '' } });
  }
}
