import type { BlockDevice } from '../../gen/vivarium/v1/device.ts';
import { BlockAio, BlockBus, BlockCache, BlockFormat } from '../../gen/vivarium/v1/device.ts';
import { UsageError } from '../cli-error.ts';
import { parseCount } from './number.ts';

const FORMATS = { raw: BlockFormat.BLOCK_FORMAT_RAW, qcow2: BlockFormat.BLOCK_FORMAT_QCOW2 } as const;
const BUSES = { 'virtio-blk': BlockBus.BLOCK_BUS_VIRTIO_BLK, 'virtio-scsi': BlockBus.BLOCK_BUS_VIRTIO_SCSI, 'nvdimm': BlockBus.BLOCK_BUS_NVDIMM } as const;
const AIOS = { threads: BlockAio.BLOCK_AIO_THREADS, native: BlockAio.BLOCK_AIO_NATIVE, io_uring: BlockAio.BLOCK_AIO_IO_URING } as const;
/** `none` is what QEMU's own tools call it. */
const CACHES = { none: BlockCache.BLOCK_CACHE_DIRECT, writeback: BlockCache.BLOCK_CACHE_WRITEBACK, direct: BlockCache.BLOCK_CACHE_DIRECT, unsafe: BlockCache.BLOCK_CACHE_UNSAFE } as const;
const KEYS = ['format', 'bus', 'aio', 'cache', 'serial', 'ro', 'discard', 'logical', 'physical'];

/** `PATH[,KEY=VALUE…]`; `,,` is a comma in the path, and a key without a value is true. */
export interface PathWithOptions {
  readonly path: string;
  readonly options: ReadonlyMap<string, string>;
}

/**
 * @param known keys; any other is refused
 * @throws {UsageError}
 */
export function splitOptions(what: string, text: string, known: readonly string[]): PathWithOptions {
  const [path = '', ...words] = text.replaceAll(',,', '\0').split(',').map((word) => word.replaceAll('\0', ','));
  const options = new Map(words.map((word): [string, string] => (word.includes('=') ? [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)] : [word, 'true'])));
  const unknown = [...options.keys()].find((key) => !known.includes(key));
  if (unknown !== undefined) throw new UsageError(`a ${what} device has no "${unknown}"`, `known are ${known.join(', ')}`);
  return { path, options };
}

/**
 * What stands behind `block:`. `more` are keys that whoever asks reads himself.
 * @param absolute makes a path absolute, from where the command was given
 * @throws {UsageError}
 */
export function parseBlockDevice(text: string, absolute: (path: string) => string, more: readonly string[] = []): { readonly block: BlockDevice; readonly options: ReadonlyMap<string, string> } {
  const { path, options } = splitOptions('block', text, [...KEYS, ...more]);
  const block: BlockDevice = {
    path: absolute(path),
    format: choice('format', FORMATS, options, BlockFormat.BLOCK_FORMAT_UNSPECIFIED),
    readOnly: flag('ro', options),
    bus: choice('bus', BUSES, options, BlockBus.BLOCK_BUS_UNSPECIFIED),
    aio: choice('aio', AIOS, options, BlockAio.BLOCK_AIO_UNSPECIFIED),
    cache: choice('cache', CACHES, options, BlockCache.BLOCK_CACHE_UNSPECIFIED),
    discard: flag('discard', options),
    serial: options.get('serial') ?? '',
    logicalBlockBytes: sectors('logical', options),
    physicalBlockBytes: sectors('physical', options),
  };
  return { block, options };
}

function sectors(key: string, options: ReadonlyMap<string, string>): number {
  const word = options.get(key);
  return word === undefined ? 0 : parseCount(word, key);
}

function choice<Value>(key: string, table: Readonly<Record<string, Value>>, options: ReadonlyMap<string, string>, unsaid: Value): Value {
  const word = options.get(key);
  if (word === undefined) return unsaid;
  const found = Object.hasOwn(table, word) ? table[word] : undefined;
  if (found === undefined) throw new UsageError(`${key}: there is no "${word}"`, `known are ${Object.keys(table).join(', ')}`);
  return found;
}

function flag(key: string, options: ReadonlyMap<string, string>): boolean {
  const word = options.get(key);
  if (word === undefined || word === 'false') return false;
  if (word !== 'true') throw new UsageError(`${key}: "${word}" is neither true nor false`);
  return true;
}
