import type { VolumeRecord } from '../../src/core/model/volume.ts';
import type { Clock } from '../../src/core/ports/host.ts';
import type { RootfsPlace } from '../../src/core/ports/storage.ts';
import type { StrayVolume, VolumeFiller, VolumeStore, VolumeUsage } from '../../src/core/ports/volumes.ts';
import type { Logger } from '../../src/core/ports/telemetry.ts';
import { ContainerVolumes } from '../../src/daemon/services/container-volumes.ts';
import type { Registry } from '../../src/daemon/services/registry.ts';
import { Volumes } from '../../src/daemon/services/volume-operations.ts';
import { VolumeUses } from '../../src/daemon/services/volume-uses.ts';

export function volumeRecord(change: Partial<VolumeRecord> = {}): VolumeRecord {
  return { name: 'data', kind: 'directory', labels: {}, mode: 0o755, sizeBytes: 0, filesystem: 'none', createdAtMs: 1, anonymous: false, removed: false, ...change };
}

/** Volumes as a list, and which of them were filled for whom. */
export class MemoryVolumes implements VolumeStore, VolumeFiller {
  readonly records = new Map<string, VolumeRecord>();
  /** `PATH of IMAGE for CONTAINER` */
  readonly filled: string[] = [];
  readonly stray: StrayVolume[] = [];
  readonly #uses = new WeakMap<Registry, VolumeUses>();
  readonly #at: (name: string) => Promise<void>;

  constructor(at: (name: string) => Promise<void> = async () => undefined) {
    this.#at = at;
  }

  usesOf(registry: Registry): VolumeUses {
    const known = this.#uses.get(registry);
    if (known !== undefined) return known;
    const uses = new VolumeUses(() => registry.sandboxes.filter(({ actor }) => !actor.gone).map(({ record }) => record), () => [...registry.unreadable.keys()]);
    this.#uses.set(registry, uses);
    return uses;
  }

  get volumes(): readonly VolumeRecord[] {
    return [...this.records.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  get(name: string): VolumeRecord | undefined {
    return this.records.get(name);
  }

  pathOf({ name, kind }: VolumeRecord): string {
    return `/volumes/${name}/${kind === 'block' ? 'disk' : 'data'}`;
  }

  async create(volume: VolumeRecord): Promise<VolumeRecord> {
    await this.#at('volume-create');
    const known = this.records.get(volume.name);
    if (known !== undefined) return known;
    this.records.set(volume.name, volume);
    return volume;
  }

  async mark(name: string): Promise<void> {
    const known = this.records.get(name);
    if (known !== undefined) this.records.set(name, { ...known, removed: true });
  }

  async remove(name: string, unless: () => boolean = () => false): Promise<boolean> {
    if (this.records.has(name) && unless()) return false;
    this.records.delete(name);
    return true;
  }

  async grow(name: string, sizeBytes: number): Promise<VolumeRecord> {
    await this.#at('volume-grow');
    const grown = { ...volumeRecord({ name }), ...this.records.get(name), sizeBytes };
    this.records.set(name, grown);
    return grown;
  }

  async usage(): Promise<VolumeUsage> {
    return { capacityBytes: 100, usedBytes: 10, availableBytes: 90, inodes: 9, inodesUsed: 1, inodesAvailable: 8, hostBytes: 10 };
  }

  async strays(): Promise<readonly StrayVolume[]> {
    return this.stray;
  }

  async discard({ path }: StrayVolume): Promise<void> {
    this.stray.splice(0, this.stray.length, ...this.stray.filter((stray) => stray.path !== path));
  }

  async fill({ containerId }: RootfsPlace, { lowers, path }: { readonly lowers: readonly string[]; readonly path: string }, directory: string): Promise<void> {
    await this.#at('volume-fill');
    this.filled.push(`${path} of ${lowers.join(':')} for ${containerId} into ${directory}`);
  }
}

/** The services of volumes over a world's, the same for everybody who asks with one registry. */
export function volumeParts(world: { readonly volumes: MemoryVolumes; readonly clock: Clock; readonly logger: Logger; nextId(): string }, registry: Registry): { readonly ofContainers: ContainerVolumes; readonly operations: Volumes } {
  const uses = world.volumes.usesOf(registry);
  const parts = { store: world.volumes, filler: world.volumes, uses, ids: { random: (bytes: number) => Buffer.from(world.nextId().repeat(2), 'hex').subarray(-bytes) }, clock: world.clock, log: world.logger };
  return { ofContainers: new ContainerVolumes(parts), operations: new Volumes(parts) };
}
