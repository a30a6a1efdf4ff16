import { describe, expect, it } from 'vitest';
import type { BlockSpec } from '../../../src/core/model/device-spec.ts';
import { DomainError } from '../../../src/core/model/errors.ts';
import { BlockDriver } from '../../../src/devices/block.ts';
import { deviceNumber, type BlockHost, type PathFacts } from '../../../src/devices/block-host.ts';
import { diskSpec } from '../../fakes/records.ts';

interface Thing {
  readonly kind?: PathFacts['kind'];
  readonly inode?: number;
  readonly number?: string;
  readonly bytes?: Uint8Array;
  readonly sizeBytes?: number;
  readonly link?: string;
  readonly claimed?: boolean;
}

/** A host of a few paths; every other file of the kernel's is empty. */
function host(things: Readonly<Record<string, Thing>>, texts: Readonly<Record<string, string>> = {}): BlockHost {
  const find = (path: string): Thing => {
    const thing = things[path];
    if (thing === undefined) throw Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' });
    return thing;
  };
  return {
    realPath: async (path) => find(path).link ?? path,
    facts: async (path) => ({ kind: 'file', device: 1, inode: 1, number: '0:0', sizeBytes: find(path).bytes?.length ?? 4096, ...find(path) }),
    head: async (path, bytes) => (find(path).bytes ?? new Uint8Array(4096)).subarray(0, bytes),
    text: async (path) => texts[path] ?? '',
    names: async (path) => [...new Set(Object.keys(texts).filter((name) => name.startsWith(`${path}/`)).map((name) => name.slice(path.length + 1).split('/')[0] ?? ''))],
    isFree: async (path) => find(path).claimed !== true,
  };
}

function qcow2(change: { version?: number; backing?: bigint; features?: bigint; crypt?: number } = {}): Uint8Array {
  const bytes = Buffer.alloc(512);
  bytes.write('QFI\xfb', 'latin1');
  bytes.writeUInt32BE(change.version ?? 3, 4);
  bytes.writeBigUInt64BE(change.backing ?? 0n, 8);
  bytes.writeBigUInt64BE(1n << 30n, 24);
  bytes.writeUInt32BE(change.crypt ?? 0, 32);
  bytes.writeBigUInt64BE(change.features ?? 0n, 72);
  return bytes;
}

async function prepared(thing: Thing | undefined, spec: Partial<BlockSpec> = {}, texts: Readonly<Record<string, string>> = {}): Promise<unknown> {
  const driver = new BlockDriver(host(thing === undefined ? {} : { '/d': thing, ...(thing.link === undefined ? {} : { [thing.link]: thing }) }, texts));
  return await driver.prepare(diskSpec('d0', { path: '/d', ...spec })).catch((error: unknown) => (error instanceof DomainError ? `${error.reason}: ${error.message}` : error));
}

describe('a disk of the host', () => {
  it('is taken for raw unless it is said to be otherwise', async () => {
    expect(await prepared({ bytes: new Uint8Array(1024), inode: 7 })).toEqual({ kind: 'disk', path: '/d', identity: 'file:1:7', format: 'raw', isDevice: false, sizeBytes: 1024 });
    expect(await prepared({ bytes: qcow2() }, { format: 'raw' })).toMatchObject({ format: 'raw', sizeBytes: 512 });
    expect(await prepared({ bytes: qcow2() }, { format: 'qcow2' })).toMatchObject({ format: 'qcow2', sizeBytes: 1 << 30 });
  });

  it('is never guessed to be what a guest may have made it look like', async () => {
    expect(await prepared({ bytes: qcow2() })).toBe('INVALID_REQUEST: invalid request: device.block.format: /d begins like qcow2: say format=qcow2, or format=raw if a guest wrote it');
    expect(await prepared({ bytes: Buffer.from('KDMV'.padEnd(512, '\0')) })).toContain('/d begins like vmdk: say format=raw');
  });

  it.each([
    ['a backing file', { backing: 200n }, 'has a backing file'],
    ['a data file', { features: 4n }, 'keeps its data in another file'],
    ['encryption', { crypt: 2 }, 'is encrypted'],
    ['an unknown version', { version: 9 }, 'is no qcow2 image'],
  ])('is refused as qcow2 with %s', async (_name, change, words) => {
    expect(await prepared({ bytes: qcow2(change) }, { format: 'qcow2' })).toContain(words);
  });

  it.each([
    ['is not there', undefined, 'INVALID_REQUEST: invalid request: device.block.path: /d is not there'],
    ['is a directory', { kind: 'directory' }, 'device.block.path: /d is a directory'],
    ['is a socket', { kind: 'socket' }, '/d is a socket'],
    ['is empty', { bytes: new Uint8Array(0) }, '/d is empty'],
    ['is not aligned', { bytes: new Uint8Array(700) }, 'which is no multiple of 512'],
  ] as const)('is refused when it %s', async (_name, thing, words) => {
    expect(await prepared(thing)).toContain(words);
  });

  it('is what its link leads to', async () => {
    expect(await prepared({ link: '/real/disk' })).toMatchObject({ path: '/real/disk' });
  });

  it('is refused while the host uses the file', async () => {
    expect(await prepared({}, {}, { '/proc/swaps': 'Filename Type\n/d file 1 0 -2\n' })).toBe('DEVICE_IN_USE: /d is in use: the host swaps to it');
    expect(await prepared({}, {}, { '/sys/block/loop3/loop/backing_file': '/d\n' })).toBe('DEVICE_IN_USE: /d is in use: the host shows it as /dev/loop3');
  });

  it('needs direct access for native aio, and is virtio-blk', async () => {
    expect(await prepared({}, { aio: 'native' })).toContain('device.block.aio: native needs cache=direct');
    expect(await prepared({}, { aio: 'native', cache: 'direct' })).toMatchObject({ format: 'raw' });
    expect(await prepared({}, { bus: 'nvdimm' })).toContain('UNSUPPORTED');
    expect(await prepared({}, { bus: 'virtio-scsi' })).toContain('UNSUPPORTED');
    expect(await prepared({}, { logicalBlockBytes: 8192 })).toContain('a guest takes none above 4096');
  });
});

describe('a block device of the host', () => {
  const disk = { kind: 'block', number: '8:16' } as const;
  const size = { '/sys/dev/block/8:16/size': '2048\n', '/sys/dev/block/8:16/uevent': 'MAJOR=8\nDEVNAME=sdb\n' };

  it('is given as it is', async () => {
    expect(await prepared(disk, {}, size)).toEqual({ kind: 'disk', path: '/d', identity: 'device:8:16', format: 'raw', isDevice: true, sizeBytes: 1 << 20 });
    expect(await prepared(disk, { format: 'qcow2' }, size)).toContain('UNSUPPORTED');
  });

  it.each([
    ['itself', { '/proc/self/mountinfo': '22 1 8:16 / /data rw - ext4 /dev/sdb rw\n' }, '/dev/sdb is mounted on /data'],
    ['a partition', { '/proc/self/mountinfo': '22 1 8:17 / / rw - ext4 /dev/sdb1 rw\n', '/sys/dev/block/8:16/sdb1/partition': '1\n', '/sys/dev/block/8:16/sdb1/dev': '8:17\n', '/sys/dev/block/8:17/uevent': 'DEVNAME=sdb1\n' }, '/dev/sdb1 is mounted on /'],
    ['a volume on it', { '/proc/self/mountinfo': '22 1 253:0 / /my\\040data rw - ext4 /dev/dm-0 rw\n', '/sys/dev/block/8:16/holders/dm-0/dev': '253:0\n', '/sys/dev/block/253:0/uevent': 'DEVNAME=dm-0\n' }, '/dev/dm-0 is mounted on /my data'],
  ])('is refused while the host has mounted %s', async (_name, texts, words) => {
    expect(await prepared(disk, {}, { ...size, ...texts })).toBe(`DEVICE_IN_USE: /d is in use: ${words}`);
  });

  it('is refused while the kernel says that somebody has it, and without a medium', async () => {
    expect(await prepared({ ...disk, claimed: true }, {}, size)).toContain('DEVICE_IN_USE');
    expect(await prepared(disk)).toContain('/d has no medium');
  });

  it('is named by the numbers that stat gives', () => {
    // Minor 300 is 0x12c: its upper bits stand above the major.
    expect([deviceNumber(0x0810), deviceNumber(0x10303), deviceNumber(0x10082c)]).toEqual(['8:16', '259:3', '8:300']);
  });
});
