import type { ImageLayer, ImageRecord, ImageSettings } from '../../core/model/image.ts';
import { JsonDocumentError, parseJsonObject } from '../json-document.ts';
import type { JsonObject } from '../json-document.ts';
import { countIn, digestIn, flagIn, objectIn, objectsIn, textIn, textsIn, wordsIn } from './json-reading.ts';

export const IMAGE_FORMAT = 'vivarium.image';
export const NAMES_FORMAT = 'vivarium.image-names';
/** The version that is written. A change of the shape raises it and adds a reader for the last one. */
export const IMAGE_VERSION = 1;
/** Labels and environments are small; an index of names has some 100 bytes for each. */
export const LARGEST_IMAGE_DOCUMENT = 8 * 1024 * 1024;

export function encodeImage(image: ImageRecord): string {
  return `${JSON.stringify({ format: IMAGE_FORMAT, version: IMAGE_VERSION, image })}\n`;
}

/** Throws JsonDocumentError. */
export function decodeImage(text: string): ImageRecord {
  const image = objectIn(checked(text, IMAGE_FORMAT), 'image');
  return Object.freeze({
    id: digestIn(image, 'id'),
    manifestDigest: digestIn(image, 'manifestDigest', { empty: true }),
    source: textIn(image, 'source'),
    os: textIn(image, 'os', ''),
    architecture: textIn(image, 'architecture', ''),
    settings: settingsOf(objectIn(image, 'settings')),
    layers: objectsIn(image, 'layers').map(layerOf),
    createdAtMs: image['createdAtMs'] === undefined ? undefined : countIn(image, 'createdAtMs'),
    pulledAtMs: countIn(image, 'pulledAtMs'),
    removed: flagIn(image, 'removed'),
  });
}

/** Full reference → id. */
export function encodeNames(names: ReadonlyMap<string, string>): string {
  return `${JSON.stringify({ format: NAMES_FORMAT, version: IMAGE_VERSION, names: Object.fromEntries(names) })}\n`;
}

/** Throws JsonDocumentError. */
export function decodeNames(text: string): Map<string, string> {
  const names = objectIn(checked(text, NAMES_FORMAT), 'names');
  return new Map(Object.keys(names).map((name) => [name, digestIn(names, name)]));
}

function checked(text: string, format: string): JsonObject {
  const document = parseJsonObject(text);
  if (document['format'] !== format) throw new JsonDocumentError(`the format is not "${format}"`);
  const version = document['version'];
  if (typeof version !== 'number' || !Number.isSafeInteger(version) || version < 1) throw new JsonDocumentError('it has no version');
  if (version > IMAGE_VERSION) throw new JsonDocumentError(`version ${version} was written by a newer vivd; this one reads up to ${IMAGE_VERSION}`);
  return document;
}

function settingsOf(settings: JsonObject): ImageSettings {
  return {
    entrypoint: textsIn(settings, 'entrypoint'),
    command: textsIn(settings, 'command'),
    env: textsIn(settings, 'env'),
    workingDir: textIn(settings, 'workingDir', ''),
    user: textIn(settings, 'user', ''),
    stopSignal: textIn(settings, 'stopSignal', ''),
    volumes: textsIn(settings, 'volumes'),
    exposedPorts: textsIn(settings, 'exposedPorts'),
    labels: wordsIn(settings, 'labels'),
  };
}

function layerOf(layer: JsonObject): ImageLayer {
  return {
    diffId: digestIn(layer, 'diffId'),
    chainId: digestIn(layer, 'chainId'),
    digest: digestIn(layer, 'digest', { empty: true }),
    sizeBytes: countIn(layer, 'sizeBytes'),
    unpackedBytes: countIn(layer, 'unpackedBytes'),
  };
}
