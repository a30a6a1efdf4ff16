import { throwIfAborted } from '../base/abort.ts';
import { DomainError, invalidRequest } from '../core/model/errors.ts';
import type { DeviceSpec, HostSocket } from '../core/model/device-spec.ts';
import type { DeviceDriver } from '../core/ports/device.ts';
import type { WaitOptions } from '../core/ports/host.ts';
import type { BlockHost, PathFacts } from './block-host.ts';

/** Devices whose back end is a process of somebody else's, reached by its socket. */
export class VhostUserDriver implements DeviceDriver {
  readonly #host: Pick<BlockHost, 'realPath' | 'facts'>;

  constructor(host: Pick<BlockHost, 'realPath' | 'facts'>) {
    this.#host = host;
  }

  /** Whether anybody listens is found out by the VMM alone: a back end takes one connection, and a try of ours would be that one. */
  async prepare({ what }: DeviceSpec, options: WaitOptions = {}): Promise<HostSocket> {
    if (what.kind !== 'vhost-user-blk') throw new DomainError('INTERNAL', `no vhost-user device: ${what.kind}`);
    const path = await this.#host.realPath(what.socket).catch(refusedBySystem(what.socket));
    const { kind, device, inode } = await this.#host.facts(path).catch(refusedBySystem(what.socket));
    throwIfAborted(options.signal);
    if (kind !== 'socket') throw wrong(`${what.socket} is a ${kind}, and no socket`);
    return { kind: 'socket', path, identity: socketIdentity({ device, inode }) };
  }

  /** The VMM connects to it, and lets go of it. */
  async acquire(): Promise<void> {
    await Promise.resolve();
  }

  async release(): Promise<void> {
    await Promise.resolve();
  }
}

function socketIdentity({ device, inode }: Pick<PathFacts, 'device' | 'inode'>): string {
  return `socket:${device}:${inode}`;
}

function wrong(description: string): DomainError {
  return invalidRequest([{ field: 'device.vhost_user_blk.socket_path', description }]);
}

function refusedBySystem(path: string): (error: unknown) => never {
  return (error) => {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (code === 'ENOENT' || code === 'ENOTDIR') throw wrong(`${path} is not there: start the back end first`);
    throw new DomainError('HOST_RESOURCE', `${path} can't be looked at: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  };
}
