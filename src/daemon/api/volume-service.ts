import type {
  CreateVolumeRequest, CreateVolumeResponse, GetVolumeRequest, GetVolumeResponse, GetVolumeStatsRequest, GetVolumeStatsResponse, ListVolumesRequest, ListVolumesResponse,
  PruneVolumesRequest, PruneVolumesResponse, RemoveVolumeRequest, RemoveVolumeResponse, ResizeVolumeRequest, ResizeVolumeResponse, VolumeServiceImplementation,
} from '../../gen/vivarium/v1/volume.ts';
import type { VolumeOperations } from '../services/volume-facade.ts';
import type { ApiContext, RequestContext } from './call-context.ts';
import { bytes } from './convert-common.ts';
import { volumeToWire, volumeUsageToWire } from './convert-volume.ts';
import { parseCreateVolume, parseListVolumes, parsePruneVolumes, parseRemoveVolume, parseResizeVolume, parseVolumeRef } from './validate-volume.ts';

/** vivarium.v1.VolumeService: parse, call, convert. */
export class VolumeService implements VolumeServiceImplementation<RequestContext> {
  readonly #volumes: VolumeOperations;

  constructor(volumes: VolumeOperations) {
    this.#volumes = volumes;
  }

  async createVolume(request: CreateVolumeRequest, { signal, attempt }: ApiContext): Promise<CreateVolumeResponse> {
    const { spec, requestId } = parseCreateVolume(request);
    return { volume: volumeToWire(await this.#volumes.create(spec, { requestId, signal, attempt })) };
  }

  async getVolume(request: GetVolumeRequest): Promise<GetVolumeResponse> {
    return { volume: volumeToWire(this.#volumes.get(parseVolumeRef(request))) };
  }

  async listVolumes(request: ListVolumesRequest): Promise<ListVolumesResponse> {
    return { volumes: this.#volumes.list(parseListVolumes(request)).map(volumeToWire) };
  }

  async removeVolume(request: RemoveVolumeRequest, { signal, attempt }: ApiContext): Promise<RemoveVolumeResponse> {
    const { name, force, requestId } = parseRemoveVolume(request);
    await this.#volumes.remove(name, { force }, { requestId, signal, attempt });
    return {};
  }

  async resizeVolume(request: ResizeVolumeRequest, { signal, attempt }: ApiContext): Promise<ResizeVolumeResponse> {
    const { name, sizeBytes, requestId } = parseResizeVolume(request);
    return { volume: volumeToWire(await this.#volumes.resize(name, sizeBytes, { requestId, signal, attempt })) };
  }

  async getVolumeStats(request: GetVolumeStatsRequest, { signal }: ApiContext): Promise<GetVolumeStatsResponse> {
    return volumeUsageToWire(await this.#volumes.usage(parseVolumeRef(request), { signal }));
  }

  async pruneVolumes(request: PruneVolumesRequest, { signal, attempt }: ApiContext): Promise<PruneVolumesResponse> {
    const { all, labels, requestId } = parsePruneVolumes(request);
    const { removed, freedBytes } = await this.#volumes.prune({ all, labels }, { requestId, signal, attempt });
    return { removed: [...removed], freedBytes: bytes(freedBytes) };
  }
}
