import type { ContainerRecord, SandboxRecord } from '../core/model/record.ts';
import { big, flag, list, maybe, number, object, oneOf, orElse, ShapeError, text } from './codec.ts';
import type { Codec } from './codec.ts';
import { containerRootfs, deviceRecord } from './device-codecs.ts';
import { cause, condition, exitStatus, guestInfo, mode, phase, profile, resource, vmRef, vmSpec } from './record-codecs.ts';
import { containerSpec, sandboxSpec } from './spec-codecs.ts';

export const RECORD_FORMAT = 'vivarium.sandbox';
/** The version that is written. A change of the shape raises it and adds a reader for the last one. */
export const RECORD_VERSION = 1;
/** Of the whole file. Larger ones are neither written nor read. */
export const LARGEST_RECORD_BYTES = 4 * 1024 * 1024;

/** A record's bytes that can't be used. */
export class RecordError extends Error {
  override readonly name = 'RecordError';
  /** A newer version wrote it: it is left as it is. */
  readonly fromTheFuture: boolean;

  constructor(problem: string, fromTheFuture = false) {
    super(problem);
    this.fromTheFuture = fromTheFuture;
  }
}

const containerRecord: Codec<ContainerRecord> = object<ContainerRecord>({
  id: text,
  name: text,
  spec: containerSpec,
  state: oneOf({ creating: true, created: true, running: true, paused: true, stopping: true, exited: true, deleting: true, unknown: true } as const),
  createdAtMs: number,
  startedAtMs: maybe(number),
  finishedAtMs: maybe(number),
  exit: maybe(exitStatus),
  command: list(text),
  image: text,
  guestPid: number,
  resumeOnStart: flag,
  phases: list(phase),
  lower: text,
  lowerLayers: orElse(list(text), []),
  imageId: orElse(text, ''),
  // There was no other way.
  rootfs: orElse(containerRootfs, { kind: 'virtiofs', reason: '', disks: undefined }),
  logBase: object<ContainerRecord['logBase']>({ stdout: big, stderr: big }),
});

const sandboxRecord: Codec<SandboxRecord> = object<SandboxRecord>({
  id: text,
  name: text,
  spec: sandboxSpec,
  profile,
  state: oneOf({ creating: true, ready: true, running: true, paused: true, stopping: true, stopped: true, failed: true, deleting: true, recovering: true } as const),
  epoch: number,
  bootId: text,
  started: maybe(flag),
  createdAtMs: number,
  readyAtMs: maybe(number),
  finishedAtMs: maybe(number),
  cause: maybe(cause),
  causeDetail: text,
  consoleTail: text,
  mode: maybe(mode),
  phases: list(phase),
  conditions: list(condition),
  vcpus: number,
  memoryBytes: number,
  vmSpec: maybe(vmSpec),
  vm: maybe(vmRef),
  guest: maybe(guestInfo),
  resources: list(resource),
  containers: list(containerRecord),
  devices: orElse(list(deviceRecord), []),
});

/** The file's bytes: one JSON document. RecordError when it is over the cap. */
export function encodeRecord(record: SandboxRecord): Uint8Array {
  const document = { format: RECORD_FORMAT, version: RECORD_VERSION, sandbox: sandboxRecord.encode(record) };
  const bytes = Buffer.from(`${JSON.stringify(document)}\n`, 'utf8');
  if (bytes.length > LARGEST_RECORD_BYTES) throw new RecordError(`the record has ${bytes.length} bytes; at most ${LARGEST_RECORD_BYTES} are kept`);
  return bytes;
}

function parse(bytes: Uint8Array): unknown {
  if (bytes.length > LARGEST_RECORD_BYTES) throw new RecordError(`the file has ${bytes.length} bytes; at most ${LARGEST_RECORD_BYTES} are read`);
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw new RecordError(`no JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** The record that is in a file. Throws RecordError; nothing of a document is looked at before its format and version are known. */
export function decodeRecord(bytes: Uint8Array): SandboxRecord {
  const document = parse(bytes);
  if (typeof document !== 'object' || document === null) throw new RecordError('no JSON object');
  const format = 'format' in document ? document.format : undefined;
  if (format !== RECORD_FORMAT) throw new RecordError(`the format is not "${RECORD_FORMAT}"`);
  const version = 'version' in document ? document.version : undefined;
  if (typeof version !== 'number' || !Number.isSafeInteger(version) || version < 1) throw new RecordError('it has no version');
  if (version > RECORD_VERSION) throw new RecordError(`version ${version} was written by a newer vivd; this one reads up to ${RECORD_VERSION}`, true);
  try {
    return sandboxRecord.decode('sandbox' in document ? document.sandbox : undefined, '');
  } catch (error) {
    if (error instanceof ShapeError) throw new RecordError(error.message);
    throw error;
  }
}
