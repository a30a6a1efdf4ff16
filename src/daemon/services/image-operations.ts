import { createHash } from 'node:crypto';
import { linkSignals } from '../../base/abort.ts';
import { DomainError, invalidRequest } from '../../core/model/errors.ts';
import { NO_SETTINGS } from '../../core/model/image.ts';
import { parseImageReference, requireImageReference } from '../../core/model/image-reference.ts';
import type { Failpoints } from '../../core/ports/failpoints.ts';
import type { Clock } from '../../core/ports/host.ts';
import type { ImageLibrary, ImageParts, ImageTool, NamedImage, Platform, StoredPart, UnpackedImage } from '../../core/ports/images.ts';
import type { ImageConfig, ImageStore } from '../../core/ports/storage.ts';
import type { MutateOptions } from './facade.ts';
import type { ImageImportEvent, ImageImportSpec, ImageOperations, ImagePullEvent, ImagePullSpec, ImagesRemoved, ImageView } from './image-facade.ts';
import { ImagePulls, imageRecord } from './image-pulls.ts';
import { ImageRun } from './image-run.ts';
import type { ImageSweep, PartStanding } from './image-sweep.ts';
import { ImageTurns } from './image-turns.ts';
import type { ImageUses } from './image-uses.ts';
import { ProgressBoard } from './progress-board.ts';

export interface ImagesParts {
  readonly store: ImageStore;
  readonly library: ImageLibrary;
  readonly tool: ImageTool;
  readonly sweep: ImageSweep;
  readonly disk: Pick<ImageParts, 'list'>;
  readonly uses: () => ImageUses;
  readonly clock: Pick<Clock, 'wallMs'>;
  readonly failpoints: Failpoints | undefined;
  /** What this host runs. */
  readonly platform: Platform;
}

export interface StandingPart {
  readonly part: StoredPart;
  readonly standing: PartStanding | 'under-way';
}

/** Every verb on images. */
export class Images implements ImageOperations {
  readonly #parts: ImagesParts;
  readonly #turns: ImageTurns;
  readonly #pulls: ImagePulls;

  constructor(parts: ImagesParts) {
    this.#parts = parts;
    this.#turns = new ImageTurns(() => parts.sweep.run());
    this.#pulls = new ImagePulls({ ...parts, turns: this.#turns });
  }

  /** Removes what an earlier daemon left: layers on their way, and what nobody needs any more. */
  async sweep(): Promise<number> {
    return await this.#turns.sweep();
  }

  /** What stands in the store, and why. While the tool is at work, what nobody needs yet may be what it makes. */
  async inventory(): Promise<readonly StandingPart[]> {
    const { sweep, disk } = this.#parts;
    const parts = await disk.list();
    const standingOf = sweep.standings();
    return parts.map((part) => {
      const standing = standingOf(part);
      return { part, standing: standing === 'needless' && this.#turns.busy ? 'under-way' : standing };
    });
  }

  async *pull(spec: ImagePullSpec, { signal }: MutateOptions): AsyncGenerator<ImagePullEvent, void, undefined> {
    const local = spec.policy === 'always' ? undefined : await this.#local(spec);
    if (local !== undefined) {
      yield { kind: 'result', view: this.#view(local), upToDate: true, fetchedBytes: 0 };
      return;
    }
    const { full: reference } = requireImageReference('reference', spec.reference);
    if (spec.policy === 'never') throw new DomainError('IMAGE_NOT_FOUND', `there is no image "${spec.reference}" on this host`, { remedy: 'pull it, or do not forbid it', facts: { image: reference } });
    const pull = this.#pulls.pull({ reference, platform: spec.platform ?? this.#parts.platform, insecure: spec.insecure, auth: spec.auth }, signal);
    let next = await pull.next();
    try {
      for (; next.done !== true; next = await pull.next()) yield { kind: 'progress', progress: next.value };
    } finally {
      if (next.done !== true) await pull.return({ id: '', upToDate: false, fetchedBytes: 0 });
    }
    const { id, upToDate, fetchedBytes } = next.value;
    yield { kind: 'result', view: this.#view(await this.#parts.store.resolve(id)), upToDate, fetchedBytes };
  }

  async *importImage(spec: ImageImportSpec, { signal }: MutateOptions): AsyncGenerator<ImageImportEvent, void, undefined> {
    const board = new ProgressBoard();
    using own = linkSignals(signal);
    const work = this.#import(spec, board, own.signal);
    work.catch(() => undefined);
    let seen = false;
    try {
      for await (const progress of board.watch(work)) yield { kind: 'progress', progress };
      seen = true;
    } finally {
      if (!seen) own.abort(new DomainError('CANCELLED', 'the caller went away'));
    }
    yield { kind: 'result', views: await work };
  }

  async list(part: string): Promise<{ readonly views: readonly ImageView[]; readonly totalBytes: number }> {
    const views = (await this.#parts.store.list()).filter(({ name, pulled }) => part === '' || (pulled?.names ?? [name]).some((known) => known.includes(part))).map((image) => this.#view(image));
    const layers = new Map(views.flatMap(({ image }) => image.pulled?.record.layers ?? []).map(({ chainId, unpackedBytes }) => [chainId, unpackedBytes]));
    const embedded = views.filter(({ image }) => image.pulled === undefined).map(({ image }) => image.sizeBytes);
    return { views, totalBytes: [...layers.values(), ...embedded].reduce((sum, bytes) => sum + bytes, 0) };
  }

  async get(reference: string): Promise<ImageView> {
    return this.#view(await this.#parts.store.resolve(reference));
  }

  async remove(reference: string, how: { readonly force: boolean }, { attempt }: MutateOptions): Promise<ImagesRemoved> {
    const found = this.#parts.library.find(reference);
    if (found === undefined || found.record.removed) {
      // The same request has removed it before its daemon was killed.
      if (attempt?.begunAtMs !== undefined) return { untagged: [], deleted: [], freedBytes: 0 };
      const { name } = await this.#parts.store.resolve(reference);
      throw new DomainError('UNSUPPORTED', `${name} came with the installation`, { remedy: 'remove its directory from the image directories', facts: { image: name } });
    }
    const untagged = this.#namesToTake(found, reference, how.force);
    return await this.#removeAll([{ ...found, untagged }]);
  }

  async prune(how: { readonly all: boolean }, _options: MutateOptions): Promise<ImagesRemoved> {
    const { library, sweep, uses } = this.#parts;
    const { images } = uses();
    const unused = library.images.filter(({ record, names }) => !images.has(record.id) && (how.all || names.length === 0));
    sweep.wish({ fetched: true });
    return await this.#removeAll(unused.map((image) => ({ ...image, untagged: image.names })));
  }

  /** An image that is here already and fits. */
  async #local({ reference, platform }: ImagePullSpec): Promise<ImageConfig | undefined> {
    try {
      const image = await this.#parts.store.resolve(reference);
      const { pulled } = image;
      const wanted = platform === undefined ? undefined : [platform.architecture, platform.variant].filter((part) => part !== '').join('/');
      const fits = pulled === undefined || wanted === undefined || (pulled.record.architecture === wanted && pulled.record.os === platform?.os);
      return fits ? image : undefined;
    } catch (error) {
      if (error instanceof DomainError && error.reason === 'IMAGE_NOT_FOUND') return undefined;
      throw error;
    }
  }

  async #import(spec: ImageImportSpec, board: ProgressBoard, signal: AbortSignal): Promise<readonly ImageView[]> {
    const { tool, library, clock, platform, store, failpoints } = this.#parts;
    const reference = spec.reference === '' ? undefined : requireImageReference('reference', spec.reference);
    if (reference?.digest !== undefined && reference.digest !== '') throw invalidRequest([{ field: 'reference', description: 'a digest is no name to give' }]);
    using _turn = await this.#turns.begin(signal);
    const run = new ImageRun(failpoints, 'image-import', spec.path);
    const { images } = await run.step('unpack', async () => await tool.import({ path: spec.path, platform }, (progress) => { board.report(progress); }, { signal }), { signal });
    if (reference !== undefined && images.length > 1) throw invalidRequest([{ field: 'reference', description: `${spec.path} has ${images.length} images, which can't have one name; leave it empty to keep theirs` }]);
    const unpacked = images.map((image) => configured(image, spec));
    await run.step('record', async () => {
      for (const image of unpacked) {
        const names = reference === undefined ? image.names.flatMap((name) => parseImageReference(name)?.full ?? []) : [reference.full];
        await library.add(imageRecord(image, clock.wallMs()), names);
      }
    }, { signal });
    return await Promise.all(unpacked.map(async ({ configDigest }) => this.#view(await store.resolve(configDigest))));
  }

  #namesToTake({ record, names }: NamedImage, reference: string, force: boolean): readonly string[] {
    const named = parseImageReference(reference)?.full ?? '';
    const given = names.filter((name) => name === named);
    const users = this.#parts.uses().images.get(record.id) ?? [];
    const taken = force || given.length === 0 ? names : given;
    if (force) return taken;
    if (given.length === 0 && names.length > 1) {
      throw new DomainError('IMAGE_IN_USE', `the image has ${names.length} names: ${names.join(', ')}`, { remedy: 'remove it by each name, or with force', facts: { image: record.id } });
    }
    if (taken.length === names.length && users.length > 0) {
      throw new DomainError('IMAGE_IN_USE', `${users.length} container${users.length === 1 ? ' uses' : 's use'} the image: ${users.slice(0, 5).join(', ')}`, {
        remedy: 'delete them first; with force the image loses its names now and goes with its last container', facts: { image: record.id, containers: users.slice(0, 20).join(',') },
      });
    }
    return taken;
  }

  async #removeAll(images: readonly (NamedImage & { readonly untagged: readonly string[] })[]): Promise<ImagesRemoved> {
    const { library } = this.#parts;
    for (const { record, names, untagged } of images) {
      // Marked first: a crash in between leaves a name that is taken away again, never an image that nobody removes.
      if (untagged.length === names.length) await library.mark(record.id, true);
      await library.unname(untagged);
    }
    const freedBytes = await this.#turns.sweep();
    const deleted = images.map(({ record }) => record.id).filter((id) => library.get(id) === undefined);
    return { untagged: images.flatMap(({ untagged }) => untagged), deleted, freedBytes };
  }

  #view(image: ImageConfig): ImageView {
    const { images } = this.#parts.uses();
    return { image, usedBy: image.pulled === undefined ? [] : (images.get(image.pulled.record.id) ?? []) };
  }
}

/** A root file system says nothing of what its containers run, so its importer does; what it says is a part of the image's id. */
function configured(image: UnpackedImage, { settings }: ImageImportSpec): UnpackedImage {
  if (image.source !== 'directory' || JSON.stringify(settings) === JSON.stringify(NO_SETTINGS)) return image;
  const text = JSON.stringify({ of: image.configDigest, settings });
  return { ...image, settings, configDigest: `sha256:${createHash('sha256').update(text).digest('hex')}` };
}
