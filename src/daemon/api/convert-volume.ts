import type { VolumeKind } from '../../core/model/volume.ts';
import type { VolumeUsage } from '../../core/ports/volumes.ts';
import { VolumeKind as VolumeKindMessage } from '../../gen/vivarium/v1/volume.ts';
import type { GetVolumeStatsResponse, Volume } from '../../gen/vivarium/v1/volume.ts';
import type { VolumeView } from '../services/volume-facade.ts';
import { bytes, timestamp } from './convert-common.ts';

const KINDS: Readonly<Record<VolumeKind, VolumeKindMessage>> = { directory: VolumeKindMessage.VOLUME_KIND_DIRECTORY, block: VolumeKindMessage.VOLUME_KIND_BLOCK };

export function volumeToWire({ volume, hostPath, usedBy }: VolumeView): Volume {
  const { name, kind, labels, mode, sizeBytes, filesystem } = volume;
  return {
    spec: { name, kind: KINDS[kind], labels: { ...labels }, mode, sizeBytes: bytes(sizeBytes), filesystem: kind === 'block' ? filesystem : '' },
    createdAt: timestamp(volume.createdAtMs),
    hostPath,
    usedBy: [...usedBy],
    anonymous: volume.anonymous,
  };
}

export function volumeUsageToWire(usage: VolumeUsage): GetVolumeStatsResponse {
  return {
    capacityBytes: bytes(usage.capacityBytes),
    usedBytes: bytes(usage.usedBytes),
    availableBytes: bytes(usage.availableBytes),
    inodes: bytes(usage.inodes),
    inodesUsed: bytes(usage.inodesUsed),
    inodesAvailable: bytes(usage.inodesAvailable),
    hostBytes: bytes(usage.hostBytes),
  };
}
