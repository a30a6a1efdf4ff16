import { throwIfAborted } from '../base/abort.ts';
import type { BlockFormat, BlockSpec, DeviceSpec, HostDisk } from '../core/model/device-spec.ts';
import { DomainError, invalidRequest } from '../core/model/errors.ts';
import type { DeviceDriver } from '../core/ports/device.ts';
import type { WaitOptions } from '../core/ports/host.ts';
import type { BlockHost, PathFacts } from './block-host.ts';
import { HEADER_BYTES, readHeader, type DiskHeader } from './disk-header.ts';
import { useOfDevice, useOfFile } from './host-uses.ts';

const SECTOR = 512;
/** Of the guest's memory. */
const PAGE = 4096;

/** Disks: files and block devices of the host. */
export class BlockDriver implements DeviceDriver {
  readonly #host: BlockHost;

  constructor(host: BlockHost) {
    this.#host = host;
  }

  async prepare({ what }: DeviceSpec, options: WaitOptions = {}): Promise<HostDisk> {
    if (what.kind !== 'block') throw new DomainError('INTERNAL', `${what.kind} is no kind of disk`);
    if (what.bus === 'virtio-scsi') throw new DomainError('UNSUPPORTED', 'the SCSI controller of a VM is for the root file systems of its containers: no other disk can be plugged into it', { remedy: 'use bus=virtio-blk' });
    if (what.bus === 'nvdimm') throw new DomainError('UNSUPPORTED', 'an nvdimm is there from the start or not at all: the machine has no slots for one while it runs', { remedy: 'use bus=virtio-blk' });
    if (what.logicalBlockBytes > PAGE) throw wrong('logical_block_bytes', `a guest takes none above ${PAGE}: the size of its pages`);
    if (what.aio === 'native' && what.cache !== 'direct') throw wrong('aio', 'native needs cache=direct: the kernel reads ahead of no cache then');
    const path = await this.#host.realPath(what.path).catch(refusedBySystem(what.path));
    const facts = await this.#host.facts(path).catch(refusedBySystem(what.path));
    throwIfAborted(options.signal);
    switch (facts.kind) {
      case 'file':
        return await this.#file(what, path, facts);
      case 'block':
        return await this.#device(what, path, facts);
      default:
        throw wrong('path', `${what.path} is a ${facts.kind}, and neither a file nor a block device`);
    }
  }

  /** QEMU opens it, and its locks keep others away: there is nothing to take. */
  async acquire(): Promise<void> {
    await Promise.resolve();
  }

  async release(): Promise<void> {
    await Promise.resolve();
  }

  async #file(spec: BlockSpec, path: string, facts: PathFacts): Promise<HostDisk> {
    const header = readHeader(await this.#host.head(path, HEADER_BYTES).catch(refusedBySystem(spec.path)));
    const format = formatOf(spec, header);
    const sizeBytes = header.kind === 'qcow2' && format === 'qcow2' ? header.sizeBytes : facts.sizeBytes;
    if (sizeBytes === 0) throw wrong('path', `${spec.path} is empty`);
    if (sizeBytes % SECTOR !== 0) throw wrong('path', `${spec.path} has ${sizeBytes} bytes, which is no multiple of ${SECTOR}`);
    const use = await useOfFile(this.#host, path);
    if (use !== undefined) throw inUse(spec.path, use);
    return { kind: 'disk', path, identity: `file:${facts.device}:${facts.inode}`, format, isDevice: false, sizeBytes };
  }

  async #device(spec: BlockSpec, path: string, facts: PathFacts): Promise<HostDisk> {
    if (spec.format === 'qcow2') throw new DomainError('UNSUPPORTED', 'a block device is given to the guest as it is', { remedy: 'leave the format out, or say format=raw' });
    const use = await useOfDevice(this.#host, facts.number);
    if (use !== undefined) throw inUse(spec.path, use);
    if (!(await this.#host.isFree(path).catch(refusedBySystem(spec.path)))) throw inUse(spec.path, 'the kernel has given it to somebody: it is mounted, swapped to, or held by another device');
    const sectors = Number((await this.#host.text(`/sys/dev/block/${facts.number}/size`)).trim());
    if (!(sectors > 0)) throw wrong('path', `${spec.path} has no medium`);
    return { kind: 'disk', path, identity: `device:${facts.number}`, format: 'raw', isDevice: true, sizeBytes: sectors * SECTOR };
  }
}

/**
 * A file is what it is said to be. Not said, it is raw, as libvirt has it: whoever writes to a raw disk could write the header of another format,
 * which names files of the host. One that looks like another format is not guessed at but refused until somebody says.
 */
function formatOf({ format, path }: BlockSpec, header: DiskHeader): BlockFormat {
  if (format === 'raw') return 'raw';
  if (format === undefined) {
    if (header.kind === 'unknown') return 'raw';
    const name = header.kind === 'qcow2' ? 'qcow2' : header.name;
    throw wrong('format', `${path} begins like ${name}: say format=${header.kind === 'qcow2' ? 'qcow2' : 'raw'}${header.kind === 'qcow2' ? ', or format=raw if a guest wrote it' : ' if it is to be given as it is'}`);
  }
  if (header.kind !== 'qcow2') throw wrong('format', `${path} is no qcow2 image`);
  if (header.backed) throw wrong('format', `${path} has a backing file, which would let whoever wrote the image name files of the host: make it one image (qemu-img convert)`);
  if (header.dataFile) throw wrong('format', `${path} keeps its data in another file, which would let whoever wrote the image name files of the host: make it one image (qemu-img convert)`);
  if (header.encrypted) throw wrong('format', `${path} is encrypted`);
  return 'qcow2';
}

function wrong(field: 'path' | 'format' | 'aio' | 'logical_block_bytes', description: string): DomainError {
  return invalidRequest([{ field: `device.block.${field}`, description }]);
}

function inUse(path: string, use: string): DomainError {
  return new DomainError('DEVICE_IN_USE', `${path} is in use: ${use}`, { remedy: 'let go of it on the host first, or give another disk' });
}

function refusedBySystem(path: string): (error: unknown) => never {
  return (error) => {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (code === 'ENOENT' || code === 'ENOTDIR') throw wrong('path', `${path} is not there`);
    if (code === 'ELOOP') throw wrong('path', `${path} is a symbolic link that leads to itself`);
    throw new DomainError('HOST_RESOURCE', `${path} can't be looked at: ${error instanceof Error ? error.message : String(error)}`, { cause: error, remedy: 'check the path and its permissions' });
  };
}
