import type { ImageSettings } from '../../core/model/image.ts';
import type { ImageProgress } from '../../core/ports/images.ts';
import type { ImageConfig } from '../../core/ports/storage.ts';
import type { Image, ImageConfig as ImageConfigMessage } from '../../gen/vivarium/v1/host.ts';
import type { ImageProgress as ImageProgressMessage, ImportImageResponse, PullImageResponse, RemoveImageResponse } from '../../gen/vivarium/v1/image.ts';
import type { ImageImportEvent, ImagePullEvent, ImagesRemoved, ImageView } from '../services/image-facade.ts';
import { bytes, timestamp } from './convert-common.ts';

/** What only a pulled or imported image has. */
const NO_DETAILS = { manifestDigest: '', architecture: '', os: '', config: undefined, createdAt: undefined, pulledAt: undefined } as const;

export function imageToWire({ image, usedBy }: ImageView): Image {
  const base = {
    name: image.name,
    digest: image.digest,
    entrypoint: [...image.entrypoint],
    command: [...image.command],
    sizeBytes: bytes(image.sizeBytes),
    source: image.source,
    usedBy: [...usedBy],
  };
  return { ...base, ...detailsOf(image) };
}

export function pullEventToWire(event: ImagePullEvent): PullImageResponse {
  if (event.kind === 'progress') return { message: { $case: 'progress', value: progressToWire(event.progress) } };
  return { message: { $case: 'result', value: { image: imageToWire(event.view), upToDate: event.upToDate, fetchedBytes: bytes(event.fetchedBytes) } } };
}

export function importEventToWire(event: ImageImportEvent): ImportImageResponse {
  if (event.kind === 'progress') return { message: { $case: 'progress', value: progressToWire(event.progress) } };
  return { message: { $case: 'result', value: { images: event.views.map(imageToWire) } } };
}

export function removedToWire({ untagged, deleted, freedBytes }: ImagesRemoved): RemoveImageResponse {
  return { untagged: [...untagged], deleted: [...deleted], freedBytes: bytes(freedBytes) };
}

function progressToWire({ step, layer, doneBytes, totalBytes }: ImageProgress): ImageProgressMessage {
  return { step, layer, doneBytes: bytes(doneBytes), totalBytes: bytes(totalBytes) };
}

function detailsOf({ name, pulled }: ImageConfig): Pick<Image, 'names' | 'layers' | keyof typeof NO_DETAILS> {
  if (pulled === undefined) return { ...NO_DETAILS, names: [name], layers: [] };
  const { record, names } = pulled;
  return {
    names: [...names],
    manifestDigest: record.manifestDigest,
    architecture: record.architecture,
    os: record.os,
    config: settingsToWire(record.settings),
    layers: record.layers.map(({ diffId, digest, sizeBytes, unpackedBytes }) => ({ diffId, digest, sizeBytes: bytes(sizeBytes), unpackedBytes: bytes(unpackedBytes) })),
    createdAt: timestamp(record.createdAtMs),
    pulledAt: timestamp(record.pulledAtMs),
  };
}

function settingsToWire({ entrypoint, command, env, workingDir, user, stopSignal, volumes, exposedPorts, labels }: ImageSettings): ImageConfigMessage {
  return { entrypoint: [...entrypoint], command: [...command], env: [...env], workingDir, user, stopSignal, volumes: [...volumes], exposedPorts: [...exposedPorts], labels: { ...labels } };
}
