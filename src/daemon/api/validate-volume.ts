import { isVolumeName, DEFAULT_VOLUME_MODE, LEAST_VOLUME_BYTES, MOST_VOLUME_BYTES, VOLUME_BLOCK, type VolumeFilesystem, type VolumeKind, type VolumeSpec } from '../../core/model/volume.ts';
import { VolumeKind as VolumeKindMessage } from '../../gen/vivarium/v1/volume.ts';
import type { CreateVolumeRequest, ListVolumesRequest, PruneVolumesRequest, RemoveVolumeRequest, ResizeVolumeRequest, VolumeSpec as VolumeSpecMessage } from '../../gen/vivarium/v1/volume.ts';
import type { FieldErrors } from './field-errors.ts';
import { parsed } from './field-errors.ts';
import { checkBytes, checkLabels, checkRequestId } from './validate-fields.ts';

const NAME_RULE = 'must match [a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}';
const KINDS: ReadonlyMap<VolumeKindMessage, VolumeKind> = new Map([
  [VolumeKindMessage.VOLUME_KIND_UNSPECIFIED, 'directory'], [VolumeKindMessage.VOLUME_KIND_DIRECTORY, 'directory'], [VolumeKindMessage.VOLUME_KIND_BLOCK, 'block'],
]);
const FILESYSTEMS: ReadonlyMap<string, VolumeFilesystem> = new Map([['', 'ext4'], ['ext4', 'ext4'], ['none', 'none']]);

interface Named {
  readonly name: string;
  readonly requestId: string;
}

export function parseCreateVolume(request: CreateVolumeRequest): { readonly spec: VolumeSpec; readonly requestId: string } {
  return parsed((errors) => {
    if (request.volume === undefined) errors.add('volume', 'is required');
    return { spec: parseSpec(errors, request.volume ?? NO_VOLUME), requestId: checkRequestId(errors, request.requestId) };
  });
}

export function parseRemoveVolume(request: RemoveVolumeRequest): Named & { readonly force: boolean } {
  return parsed((errors) => ({ name: checkVolumeName(errors, 'name', request.name), force: request.force, requestId: checkRequestId(errors, request.requestId) }));
}

export function parseResizeVolume(request: ResizeVolumeRequest): Named & { readonly sizeBytes: number } {
  return parsed((errors) => ({ name: checkVolumeName(errors, 'name', request.name), sizeBytes: checkSize(errors, 'size_bytes', request.sizeBytes), requestId: checkRequestId(errors, request.requestId) }));
}

export function parsePruneVolumes(request: PruneVolumesRequest): { readonly all: boolean; readonly labels: Readonly<Record<string, string>>; readonly requestId: string } {
  return parsed((errors) => ({ all: request.all, labels: checkLabels(errors, 'labels', request.labels), requestId: checkRequestId(errors, request.requestId) }));
}

export function parseListVolumes(request: ListVolumesRequest): { readonly labels: Readonly<Record<string, string>>; readonly unused: boolean } {
  return parsed((errors) => ({ labels: checkLabels(errors, 'labels', request.labels), unused: request.unused }));
}

export function parseVolumeRef({ name }: { readonly name: string }): string {
  return parsed((errors) => checkVolumeName(errors, 'name', name));
}

export function checkVolumeName(errors: FieldErrors, field: string, name: string): string {
  if (errors.check(name !== '', field, 'is required')) errors.check(isVolumeName(name), field, NAME_RULE);
  return name;
}

function parseSpec(errors: FieldErrors, message: VolumeSpecMessage): VolumeSpec {
  const kind = KINDS.get(message.kind);
  errors.check(kind !== undefined, 'volume.kind', `has no value ${message.kind}`);
  errors.check(message.name === '' || isVolumeName(message.name), 'volume.name', NAME_RULE);
  const common = { name: message.name, labels: checkLabels(errors, 'volume.labels', message.labels) };
  return Object.freeze(kind === 'block' ? { ...common, ...parseBlock(errors, message) } : { ...common, ...parseDirectory(errors, message) });
}

function parseDirectory(errors: FieldErrors, { mode, sizeBytes, filesystem }: VolumeSpecMessage): Pick<VolumeSpec, 'kind' | 'mode' | 'sizeBytes' | 'filesystem'> {
  errors.check(mode <= 0o7777, 'volume.mode', 'must be permission bits: 0 to 07777');
  errors.check(sizeBytes === 0n, 'volume.size_bytes', 'is a block volume\'s: a directory has the room that its file system has');
  errors.check(filesystem === '', 'volume.filesystem', "is a block volume's");
  return { kind: 'directory', mode: mode === 0 ? DEFAULT_VOLUME_MODE : mode, sizeBytes: 0, filesystem: 'none' };
}

function parseBlock(errors: FieldErrors, { mode, sizeBytes, filesystem }: VolumeSpecMessage): Pick<VolumeSpec, 'kind' | 'mode' | 'sizeBytes' | 'filesystem'> {
  const known = FILESYSTEMS.get(filesystem);
  errors.check(known !== undefined, 'volume.filesystem', `must be one of ext4 and none`);
  errors.check(mode === 0, 'volume.mode', "is a directory's");
  return { kind: 'block', mode: 0, sizeBytes: checkSize(errors, 'volume.size_bytes', sizeBytes), filesystem: known ?? 'ext4' };
}

function checkSize(errors: FieldErrors, field: string, size: bigint): number {
  const bytes = checkBytes(errors, field, size);
  errors.check(bytes >= LEAST_VOLUME_BYTES && bytes <= MOST_VOLUME_BYTES, field, `must be between ${LEAST_VOLUME_BYTES} and ${MOST_VOLUME_BYTES}`);
  errors.check(bytes % VOLUME_BLOCK === 0, field, `must be a multiple of ${VOLUME_BLOCK}`);
  return bytes;
}

/** Stands in while the field errors of a request without a volume are gathered; never leaves this file. */
const NO_VOLUME: VolumeSpecMessage = { name: '', kind: 0, labels: {}, mode: 0, sizeBytes: 0n, filesystem: '' };
