import { createHash } from 'node:crypto';
import { DomainError } from '../../core/model/errors.ts';
import { madeAlike, type VolumeRecord, type VolumeSpec } from '../../core/model/volume.ts';
import type { Clock, IdSource, WaitOptions } from '../../core/ports/host.ts';
import type { VolumeStore, VolumeUsage } from '../../core/ports/volumes.ts';
import { noVolume } from './container-volumes.ts';
import type { MutateOptions } from './facade.ts';
import { hasLabels } from './pages.ts';
import type { VolumeOperations, VolumeView } from './volume-facade.ts';
import type { VolumeUses } from './volume-uses.ts';

export interface VolumesParts {
  readonly store: VolumeStore;
  readonly uses: VolumeUses;
  readonly clock: Pick<Clock, 'wallMs'>;
  readonly ids: Pick<IdSource, 'random'>;
}

/** Digits of a name that the daemon finds. */
const NAME_DIGITS = 32;
const NAMED_USERS = 5;

/** Every verb on volumes. */
export class Volumes implements VolumeOperations {
  readonly #parts: VolumesParts;

  constructor(parts: VolumesParts) {
    this.#parts = parts;
  }

  async create(spec: VolumeSpec, { requestId, signal }: MutateOptions): Promise<VolumeView> {
    const { store, clock } = this.#parts;
    const wanted = { ...spec, name: spec.name === '' ? this.#newName(requestId) : spec.name };
    const known = store.get(wanted.name) ?? (await store.create(Object.freeze({ ...wanted, createdAtMs: clock.wallMs(), anonymous: false, removed: false }), { signal }));
    if (!madeAlike(known, wanted)) {
      throw new DomainError('NAME_IN_USE', `there is another volume ${wanted.name}: ${known.kind}${known.kind === 'block' ? ` of ${known.sizeBytes} bytes` : ''}`, { remedy: 'choose another name, or remove that one', facts: { volume: wanted.name } });
    }
    return this.#view(known);
  }

  get(name: string): VolumeView {
    return this.#view(this.#find(name));
  }

  list({ labels, unused }: Parameters<VolumeOperations['list']>[0]): readonly VolumeView[] {
    return this.#parts.store.volumes.filter((volume) => hasLabels(volume.labels, labels)).map((volume) => this.#view(volume)).filter(({ usedBy }) => !unused || usedBy.length === 0);
  }

  async remove(name: string, { force }: { readonly force: boolean }, { attempt }: MutateOptions): Promise<void> {
    const { store, uses } = this.#parts;
    if (store.get(name) === undefined) {
      // The same request has removed it before.
      if (force || attempt?.begunAtMs !== undefined) return;
      throw noVolume(name);
    }
    this.#mustKnowUses();
    if (!(await store.remove(name, () => uses.isUsed(name)))) throw this.#inUse(name);
  }

  async resize(name: string, sizeBytes: number, _options: MutateOptions): Promise<VolumeView> {
    const volume = this.#find(name);
    if (volume.kind === 'directory') {
      throw new DomainError('UNSUPPORTED', `volume ${name} is a directory: it has the room that its file system has`, { remedy: 'a volume with a size of its own is made with --kind block', facts: { volume: name } });
    }
    if (sizeBytes < volume.sizeBytes) {
      throw new DomainError('UNSUPPORTED', `volume ${name} has ${volume.sizeBytes} bytes and is not made smaller`, { remedy: 'make a new volume and copy what is in this one', facts: { volume: name, size_bytes: String(volume.sizeBytes) } });
    }
    if (this.#parts.uses.isUsed(name)) throw this.#inUse(name);
    return this.#view(await this.#parts.store.grow(name, sizeBytes));
  }

  async usage(name: string, options: WaitOptions): Promise<VolumeUsage> {
    return await this.#parts.store.usage(this.#find(name), options);
  }

  async prune({ all, labels }: Parameters<VolumeOperations['prune']>[0], options: MutateOptions): ReturnType<VolumeOperations['prune']> {
    const { store, uses } = this.#parts;
    this.#mustKnowUses();
    const removed: string[] = [];
    let freedBytes = 0;
    for (const volume of store.volumes) {
      if (!(all || volume.anonymous) || !hasLabels(volume.labels, labels) || uses.isUsed(volume.name)) continue;
      const { hostBytes } = await store.usage(volume, options);
      if (!(await store.remove(volume.name, () => uses.isUsed(volume.name)))) continue;
      removed.push(volume.name);
      freedBytes += hostBytes;
    }
    return { removed, freedBytes };
  }

  #find(name: string): VolumeRecord {
    const volume = this.#parts.store.get(name);
    if (volume === undefined) throw noVolume(name);
    return volume;
  }

  /** The same for a request that comes again. */
  #newName(requestId: string): string {
    if (requestId === '') return Buffer.from(this.#parts.ids.random(NAME_DIGITS / 2)).toString('hex');
    return createHash('sha256').update(`volume ${requestId}`).digest('hex').slice(0, NAME_DIGITS);
  }

  #mustKnowUses(): void {
    const { unreadable } = this.#parts.uses;
    if (unreadable.length === 0) return;
    throw new DomainError('WRONG_STATE', `the records of ${unreadable.length} sandboxes can't be read, so nobody knows what volumes their containers use: ${unreadable.slice(0, NAMED_USERS).join(', ')}`, { remedy: 'put them right or away first (viv doctor)' });
  }

  #inUse(name: string): DomainError {
    const users = this.#parts.uses.of(name);
    const named = users.slice(0, NAMED_USERS).map(({ container }) => container.name).join(', ');
    const who = users.length === 0 ? 'a container that is being created' : `${users.length} container${users.length === 1 ? '' : 's'}: ${named}`;
    return new DomainError('VOLUME_IN_USE', `volume ${name} is used by ${who}`, { remedy: 'delete them first', facts: { volume: name, containers: users.slice(0, 20).map(({ container }) => container.id).join(',') } });
  }

  #view(volume: VolumeRecord): VolumeView {
    const { store, uses } = this.#parts;
    return { volume, hostPath: store.pathOf(volume), usedBy: uses.of(volume.name).map(({ container }) => container.id) };
  }
}
