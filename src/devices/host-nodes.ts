import type { BlockSpec, DeviceWhat } from '../core/model/device-spec.ts';
import type { HostNodes } from '../core/ports/device.ts';
import type { BlockHost } from './block-host.ts';

/** A disk as it is given when nothing is said of it. */
const PLAIN: Omit<BlockSpec, 'path'> = { kind: 'block', format: undefined, readOnly: false, bus: 'virtio-blk', aio: 'threads', cache: 'writeback', discard: false, serial: '', logicalBlockBytes: 0, physicalBlockBytes: 0 };

/** Looks on the host what a path in /dev is. */
export class NodesOfHost implements HostNodes {
  readonly #host: BlockHost;

  constructor(host: BlockHost) {
    this.#host = host;
  }

  async resolve(path: string): Promise<DeviceWhat | undefined> {
    if (path.startsWith('/dev/vfio/')) return { kind: 'vfio', device: path, mode: 'guest-kernel' };
    const facts = await this.#host.facts(path).catch(() => undefined);
    return facts?.kind === 'block' ? { ...PLAIN, path } : undefined;
  }
}
