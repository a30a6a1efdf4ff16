import type { VolumeRecord, VolumeSpec } from '../../core/model/volume.ts';
import type { WaitOptions } from '../../core/ports/host.ts';
import type { VolumeUsage } from '../../core/ports/volumes.ts';
import type { MutateOptions } from './facade.ts';

export interface VolumeView {
  readonly volume: VolumeRecord;
  readonly hostPath: string;
  /** Ids of containers. */
  readonly usedBy: readonly string[];
}

/** What the services offer to the API about volumes. Everything rejects with DomainError. */
export interface VolumeOperations {
  /** A spec without a name gets one. */
  create(spec: VolumeSpec, options: MutateOptions): Promise<VolumeView>;
  get(name: string): VolumeView;
  list(filter: { readonly labels: Readonly<Record<string, string>>; readonly unused: boolean }): readonly VolumeView[];
  remove(name: string, how: { readonly force: boolean }, options: MutateOptions): Promise<void>;
  resize(name: string, sizeBytes: number, options: MutateOptions): Promise<VolumeView>;
  usage(name: string, options: WaitOptions): Promise<VolumeUsage>;
  prune(how: { readonly all: boolean; readonly labels: Readonly<Record<string, string>> }, options: MutateOptions): Promise<{ readonly removed: readonly string[]; readonly freedBytes: number }>;
}
