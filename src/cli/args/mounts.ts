import { resolve } from 'node:path';
import { MountPropagation, VolumeMount } from '../../gen/vivarium/v1/container.ts';
import type { Mount } from '../../gen/vivarium/v1/container.ts';
import { UsageError } from '../cli-error.ts';
import { parseSize } from './size.ts';

export interface MountFlags {
  readonly volume: readonly string[];
  readonly mount: readonly string[];
  readonly tmpfs: readonly string[];
}

const PROPAGATIONS: Readonly<Record<string, MountPropagation>> = {
  private: MountPropagation.MOUNT_PROPAGATION_PRIVATE,
  rprivate: MountPropagation.MOUNT_PROPAGATION_PRIVATE,
  slave: MountPropagation.MOUNT_PROPAGATION_SLAVE,
  rslave: MountPropagation.MOUNT_PROPAGATION_SLAVE,
};

/**
 * The mounts that `-v`, `--mount` and `--tmpfs` ask for, written as other container tools take them. Relative sources are relative to `cwd`.
 * @throws {UsageError}
 */
export function parseMounts(flags: MountFlags, cwd: string): Mount[] {
  return [...flags.volume.map((text) => parseVolume(text, cwd)), ...flags.mount.map((text) => parseMount(text, cwd)), ...flags.tmpfs.map(parseTmpfs)];
}

/** `HOST:CTR[:ro|rw|slave|bind…]`, `VOLUME:CTR[:ro|rw|nocopy]`, or `CTR` alone for a volume without a name. */
function parseVolume(text: string, cwd: string): Mount {
  const [source = '', destination, options, ...rest] = text.split(':');
  if (destination === undefined && source.startsWith('/')) return { destination: source, readOnly: false, kind: volumeKind({}) };
  if (source === '' || destination === undefined || destination === '' || rest.length > 0) {
    throw new UsageError(`-v: "${text}" is not HOST:CONTAINER[:OPTIONS], VOLUME:CONTAINER[:OPTIONS] or /CONTAINER`, 'a path with a colon in it can be given to --mount');
  }
  const words = options === undefined ? [] : options.split(',');
  const readOnly = words.includes('ro');
  if (!isPath(source)) {
    refuseUnknown(words, ['ro', 'rw', 'nocopy'], `the volume ${source}; for a directory beside you write ./${source}`);
    return { destination, readOnly, kind: volumeKind({ name: source, noCopy: words.includes('nocopy') }) };
  }
  refuseUnknown(words, ['ro', 'rw', 'bind', 'rbind', ...Object.keys(PROPAGATIONS)], 'a path of the host');
  const propagation = words.flatMap((word) => PROPAGATIONS[word] ?? []).at(-1) ?? MountPropagation.MOUNT_PROPAGATION_UNSPECIFIED;
  return { destination, readOnly, kind: { $case: 'bind', value: { source: resolve(cwd, source), nonRecursive: words.includes('bind'), propagation } } };
}

/** A word without a slash is the name of a volume, as with other tools. */
const isPath = (text: string): boolean => text.includes('/') || text === '.' || text === '..';

function refuseUnknown(words: readonly string[], known: readonly string[], what: string): void {
  const unknown = words.find((word) => !known.includes(word));
  if (unknown !== undefined) throw new UsageError(`-v: there is no option "${unknown}" of ${what}`, `known are ${known.join(', ')}`);
}

function volumeKind(value: Partial<VolumeMount>): Mount['kind'] {
  return { $case: 'volume', value: VolumeMount.fromPartial(value) };
}

/** `type=bind,source=…,destination=…[,readonly]`, `type=volume[,source=…],destination=…` or `type=tmpfs,destination=…[,tmpfs-size=…]` */
function parseMount(text: string, cwd: string): Mount {
  const keys = keysOf(text);
  const type = take(keys, 'type') ?? 'bind';
  const destination = take(keys, 'destination', 'dst', 'target');
  if (destination === undefined) throw new UsageError(`--mount: "${text}" has no destination`);
  const readOnly = isTrue(take(keys, 'readonly', 'ro'));
  const kind = kindOf(type, keys, { text, cwd });
  if (kind === undefined) throw new UsageError(`--mount: there is no type "${type}"`, 'known are bind, volume and tmpfs');
  const [unknown] = keys.keys();
  if (unknown !== undefined) throw new UsageError(`--mount: there is no "${unknown}" for type=${type}`);
  return { destination, readOnly, kind };
}

function kindOf(type: string, keys: Map<string, string>, { text, cwd }: { readonly text: string; readonly cwd: string }): Mount['kind'] {
  switch (type) {
    case 'bind':
      return bindKind(keys, text, cwd);
    case 'volume':
      return volumeKind({ name: take(keys, 'source', 'src') ?? '', subPath: take(keys, 'volume-subpath') ?? '', noCopy: isTrue(take(keys, 'volume-nocopy')) });
    case 'tmpfs':
      return tmpfsKind(keys);
    default:
      return undefined;
  }
}

function bindKind(keys: Map<string, string>, text: string, cwd: string): Mount['kind'] {
  const source = take(keys, 'source', 'src');
  if (source === undefined) throw new UsageError(`--mount: "${text}" has no source`);
  const word = take(keys, 'bind-propagation');
  const propagation = word === undefined ? MountPropagation.MOUNT_PROPAGATION_UNSPECIFIED : PROPAGATIONS[word];
  if (propagation === undefined) throw new UsageError(`--mount: there is no propagation "${word}"`, 'known are private, rprivate, slave and rslave: what a guest mounts never reaches the host');
  return { $case: 'bind', value: { source: resolve(cwd, source), nonRecursive: isTrue(take(keys, 'bind-nonrecursive')), propagation } };
}

function tmpfsKind(keys: Map<string, string>): Mount['kind'] {
  const size = take(keys, 'tmpfs-size');
  const mode = take(keys, 'tmpfs-mode');
  return { $case: 'tmpfs', value: { sizeBytes: size === undefined ? 0n : parseSize(size, '--mount tmpfs-size'), mode: mode === undefined ? 0 : octal(mode, '--mount tmpfs-mode') } };
}

/** `CTR[:size=64m,mode=1777,ro]` */
function parseTmpfs(text: string): Mount {
  const colon = text.indexOf(':');
  const destination = colon < 0 ? text : text.slice(0, colon);
  const keys = colon < 0 ? new Map<string, string>() : keysOf(text.slice(colon + 1));
  const size = take(keys, 'size');
  const mode = take(keys, 'mode');
  const readOnly = isTrue(take(keys, 'ro'));
  take(keys, 'rw');
  const [unknown] = keys.keys();
  if (unknown !== undefined) throw new UsageError(`--tmpfs: there is no option "${unknown}"`, 'known are size, mode, ro and rw');
  return { destination, readOnly, kind: { $case: 'tmpfs', value: { sizeBytes: size === undefined ? 0n : parseSize(size, '--tmpfs size'), mode: mode === undefined ? 0 : octal(mode, '--tmpfs mode') } } };
}

function keysOf(text: string): Map<string, string> {
  return new Map(text.split(',').map((part) => {
    const equals = part.indexOf('=');
    return equals < 0 ? [part, 'true'] : [part.slice(0, equals), part.slice(equals + 1)];
  }));
}

/** The value of the first of these spellings, taken out. */
function take(keys: Map<string, string>, ...spellings: readonly string[]): string | undefined {
  const spelling = spellings.find((name) => keys.has(name));
  if (spelling === undefined) return undefined;
  const value = keys.get(spelling);
  keys.delete(spelling);
  return value;
}

const isTrue = (value: string | undefined): boolean => value === 'true' || value === '1';

/** @throws {UsageError} */
export function octal(text: string, what: string): number {
  if (!/^[0-7]{1,5}$/.test(text)) throw new UsageError(`${what}: "${text}" is no octal mode`, 'write it as 1777');
  return Number.parseInt(text, 8);
}
