import type { ImageLayer, ImageSettings } from '../../core/model/image.ts';
import type { ImageProgress, Platform, UnpackedImage, UnpackOutcome } from '../../core/ports/images.ts';
import { isJsonObject, JsonDocumentError, parseJsonObject } from '../json-document.ts';
import type { JsonObject } from '../json-document.ts';
import { countIn, digestIn, objectIn, objectsIn, textIn, textsIn, wordsIn } from './json-reading.ts';

/** What the tool calls a failure (docs/protocols/image-tool.md, "Lines"). */
export interface ToolFailure {
  readonly code: string;
  readonly message: string;
  readonly layer: string;
  /** HTTP status; 0: none. */
  readonly status: number;
}

export type ToolLine =
  | { readonly kind: 'progress'; readonly progress: ImageProgress }
  | { readonly kind: 'result'; readonly outcome: UnpackOutcome }
  | { readonly kind: 'error'; readonly failure: ToolFailure };

/** One line of the image tool; undefined for one that says nothing known. Throws JsonDocumentError. */
export function parseToolLine(line: string): ToolLine | undefined {
  const document = parseJsonObject(line);
  const { progress, result, error } = document as { readonly progress?: unknown; readonly result?: unknown; readonly error?: unknown };
  if (isJsonObject(progress)) return { kind: 'progress', progress: progressOf(progress) };
  if (isJsonObject(result)) return { kind: 'result', outcome: { images: objectsIn(result, 'images').map((image) => imageOf(image, result)), fetchedBytes: countIn(result, 'fetched_bytes') } };
  if (isJsonObject(error)) return { kind: 'error', failure: { code: textIn(error, 'code', ''), message: textIn(error, 'message', ''), layer: textIn(error, 'layer', ''), status: countIn(error, 'status') } };
  return undefined;
}

function progressOf(progress: JsonObject): ImageProgress {
  return { step: textIn(progress, 'step', ''), layer: textIn(progress, 'layer', ''), doneBytes: countIn(progress, 'done'), totalBytes: countIn(progress, 'total') };
}

function imageOf(image: JsonObject, result: JsonObject): UnpackedImage {
  const config = objectIn(image, 'config');
  return {
    names: textsIn(image, 'names'),
    manifestDigest: digestIn(image, 'manifest_digest', { empty: true }),
    configDigest: digestIn(image, 'config_digest'),
    source: textIn(image, 'source', textIn(result, 'source', 'registry')),
    platform: platformOf(config),
    settings: settingsOf(objectIn(config, 'config')),
    createdAtMs: momentOf(textIn(config, 'created', '')),
    layers: objectsIn(image, 'layers').map(layerOf),
  };
}

function layerOf(layer: JsonObject): ImageLayer {
  return { diffId: digestIn(layer, 'diff_id'), chainId: digestIn(layer, 'chain_id'), digest: digestIn(layer, 'digest', { empty: true }), sizeBytes: countIn(layer, 'size'), unpackedBytes: countIn(layer, 'unpacked') };
}

function platformOf(config: JsonObject): Platform {
  return { os: textIn(config, 'os', ''), architecture: textIn(config, 'architecture', ''), variant: textIn(config, 'variant', '') };
}

/** The keys of OCI image-spec's "config", which Go programs write in capitals. */
function settingsOf(config: JsonObject): ImageSettings {
  const volumes = Object.keys(objectIn(config, 'Volumes'));
  const relative = volumes.find((path) => !path.startsWith('/') || path.includes('\0'));
  if (relative !== undefined) throw new JsonDocumentError(`volume "${relative}" is no absolute path`);
  return {
    entrypoint: textsIn(config, 'Entrypoint'),
    command: textsIn(config, 'Cmd'),
    env: textsIn(config, 'Env'),
    workingDir: textIn(config, 'WorkingDir', ''),
    user: textIn(config, 'User', ''),
    stopSignal: textIn(config, 'StopSignal', ''),
    volumes,
    exposedPorts: Object.keys(objectIn(config, 'ExposedPorts')),
    labels: wordsIn(config, 'Labels'),
  };
}

function momentOf(text: string): number | undefined {
  const ms = Date.parse(text);
  return Number.isNaN(ms) || ms < 0 ? undefined : ms;
}
