import { SerialByKey } from '../../base/serial-by-key.ts';
import { DomainError, invalidRequest } from '../../core/model/errors.ts';
import type { MountSpec } from '../../core/model/sandbox-spec.ts';
import { DEFAULT_VOLUME_MODE, type VolumeRecord } from '../../core/model/volume.ts';
import type { Clock, IdSource, WaitOptions } from '../../core/ports/host.ts';
import type { HostMount, RootfsPlace } from '../../core/ports/storage.ts';
import type { VolumeFiller, VolumeStore } from '../../core/ports/volumes.ts';
import type { Logger } from '../../core/ports/telemetry.ts';
import { volumeMounts, type VolumeUses } from './volume-uses.ts';

export interface ContainerVolumesParts {
  readonly store: VolumeStore;
  readonly filler: VolumeFiller;
  readonly uses: VolumeUses;
  readonly ids: Pick<IdSource, 'random'>;
  readonly clock: Pick<Clock, 'wallMs'>;
  readonly log: Logger;
}

/** A container that is being given its volumes. */
export interface Provision {
  readonly place: RootfsPlace;
  readonly mounts: readonly MountSpec[];
  /** Directories of its image, the topmost first. */
  readonly lowers: readonly string[];
  /** It is made for the first time: an empty volume gets what its image has there. */
  readonly first: boolean;
  /** It goes when it has ended, and what is made for it alone goes with it. */
  readonly passing: boolean;
}

const NAME_BYTES = 16;

/** The volumes of containers: named, made when they are missing, filled, and let go of. */
export class ContainerVolumes {
  readonly #parts: ContainerVolumesParts;
  readonly #turns = new SerialByKey();
  /** Containers that were given their volumes by this daemon: their guests may write there by now. */
  readonly #provided = new Set<string>();

  constructor(parts: ContainerVolumesParts) {
    this.#parts = parts;
  }

  /** A new container's mounts with a name for each volume that has none, and one more for each volume of its image that nothing is mounted over. */
  named(mounts: readonly MountSpec[], ofImage: readonly string[]): readonly MountSpec[] {
    const taken = new Set(mounts.map(({ destination }) => destination));
    const own = mounts.map((mount): MountSpec => (mount.kind === 'volume' && mount.name === '' ? { ...mount, name: this.#newName(), anonymous: true } : mount));
    const added = ofImage.filter((destination) => !taken.has(destination));
    return [...own, ...added.map((destination): MountSpec => ({ kind: 'volume', destination, readOnly: false, name: this.#newName(), subPath: '', noCopy: false, anonymous: true }))];
  }

  /** Nobody removes them until the result is disposed of. */
  hold(mounts: readonly MountSpec[]): Disposable {
    return this.#parts.uses.hold(volumeMounts(mounts).map(({ name }) => name));
  }

  /** Where each is on the host, or will be. INVALID_REQUEST for one that can't be mounted like this. */
  resolve(mounts: readonly MountSpec[]): readonly HostMount[] {
    return mounts.flatMap((mount, index): readonly HostMount[] => {
      if (mount.kind !== 'volume') return [];
      const known = this.#parts.store.get(mount.name);
      if (known?.kind === 'block') throw invalidRequest([{ field: `spec.mounts[${index}].volume.name`, description: `${mount.name} is a block volume, which is mounted by no container yet` }]);
      const source = this.#parts.store.pathOf(known ?? this.#fresh(mount, false));
      return [{ index, source, subPath: mount.subPath, readOnly: mount.readOnly, recursive: false, propagation: 'private' }];
    });
  }

  /** Those that are missing are made, and empty ones filled. */
  async provide(provision: Provision, options: WaitOptions = {}): Promise<void> {
    for (const mount of volumeMounts(provision.mounts)) {
      await this.#turns.run(mount.name, async () => {
        const volume = await this.#parts.store.create(this.#fresh(mount, provision.passing), options);
        if (this.#mayFill(mount, volume, provision)) await this.#parts.filler.fill(provision.place, { lowers: provision.lowers, path: mount.destination }, this.#parts.store.pathOf(volume), options);
        this.#provided.add(provision.place.containerId);
      });
    }
  }

  /** What was made for this container alone goes with it. Its record may still say that it uses them. */
  async giveUp(mounts: readonly MountSpec[]): Promise<void> {
    for (const { name, anonymous } of volumeMounts(mounts)) {
      if (anonymous) await this.#parts.store.mark(name);
    }
  }

  /** Removes those that were to go with their last container. Nothing is done while nobody knows what a sandbox uses. */
  async sweep(): Promise<void> {
    const { store, uses, log } = this.#parts;
    if (uses.unreadable.length > 0) return;
    for (const { name, removed } of store.volumes) {
      if (removed && !uses.isUsed(name) && (await store.remove(name, () => uses.isUsed(name)))) log.info({ volume: name }, 'a volume has gone with its container');
    }
  }

  /** Only while nobody else may write there: a guest could put links in the way of what is copied. */
  #mayFill({ name, noCopy, subPath }: Extract<MountSpec, { kind: 'volume' }>, volume: VolumeRecord, { first, place }: Provision): boolean {
    if (!first || noCopy || subPath !== '' || volume.kind !== 'directory') return false;
    return this.#parts.uses.of(name).every(({ container }) => container.id === place.containerId || (container.state === 'creating' && !this.#provided.has(container.id)));
  }

  #fresh({ name, anonymous }: { readonly name: string; readonly anonymous: boolean }, passing: boolean): VolumeRecord {
    return Object.freeze({
      name, kind: 'directory', labels: {}, mode: DEFAULT_VOLUME_MODE, sizeBytes: 0, filesystem: 'none', createdAtMs: this.#parts.clock.wallMs(), anonymous, removed: anonymous && passing,
    });
  }

  #newName(): string {
    return Buffer.from(this.#parts.ids.random(NAME_BYTES)).toString('hex');
  }
}

/** VOLUME_NOT_FOUND. */
export function noVolume(name: string): DomainError {
  return new DomainError('VOLUME_NOT_FOUND', `there is no volume ${name}`, { remedy: 'see what there is with "viv volume ls"', facts: { volume: name } });
}
