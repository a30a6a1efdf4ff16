import type { VolumeFilesystem, VolumeKind, VolumeRecord } from '../../core/model/volume.ts';
import { isVolumeName } from '../../core/model/volume.ts';
import { countIn, flagIn, objectIn, textIn, wordsIn } from '../images/json-reading.ts';
import { JsonDocumentError, parseJsonObject } from '../json-document.ts';
import type { JsonObject } from '../json-document.ts';

export const VOLUME_FORMAT = 'vivarium.volume';
/** The version that is written. A change of the shape raises it and adds a reader for the last one. */
export const VOLUME_VERSION = 1;
export const LARGEST_VOLUME_DOCUMENT = 1024 * 1024;

const KINDS: Readonly<Record<VolumeKind, true>> = { directory: true, block: true };
const FILESYSTEMS: Readonly<Record<VolumeFilesystem, true>> = { ext4: true, none: true };

export function encodeVolume(volume: VolumeRecord): string {
  return `${JSON.stringify({ format: VOLUME_FORMAT, version: VOLUME_VERSION, volume })}\n`;
}

/** Throws JsonDocumentError. */
export function decodeVolume(text: string): VolumeRecord {
  const document = parseJsonObject(text);
  if (document['format'] !== VOLUME_FORMAT) throw new JsonDocumentError(`the format is not "${VOLUME_FORMAT}"`);
  const version = countIn(document, 'version');
  if (version < 1 || version > VOLUME_VERSION) throw new JsonDocumentError(`version ${version} was written by another vivd; this one reads up to ${VOLUME_VERSION}`);
  const volume = objectIn(document, 'volume');
  return Object.freeze({
    name: nameIn(volume),
    kind: wordIn(volume, 'kind', KINDS),
    labels: wordsIn(volume, 'labels'),
    mode: countIn(volume, 'mode') & 0o7777,
    sizeBytes: countIn(volume, 'sizeBytes'),
    filesystem: wordIn(volume, 'filesystem', FILESYSTEMS),
    createdAtMs: countIn(volume, 'createdAtMs'),
    anonymous: flagIn(volume, 'anonymous'),
    removed: flagIn(volume, 'removed'),
  });
}

function nameIn(volume: JsonObject): string {
  const name = textIn(volume, 'name');
  if (!isVolumeName(name)) throw new JsonDocumentError(`"${name}" is no name of a volume`);
  return name;
}

function wordIn<Word extends string>(volume: JsonObject, key: string, words: Readonly<Record<Word, true>>): Word {
  const value = textIn(volume, key);
  if (!Object.hasOwn(words, value)) throw new JsonDocumentError(`"${key}" is none of ${Object.keys(words).join(', ')}`);
  return value as Word;
}
