import { DomainError } from '../core/model/errors.ts';
import type { DeviceSpec, HostTap } from '../core/model/device-spec.ts';
import type { DeviceDriver, PrepareOptions } from '../core/ports/device.ts';

/** Locally administered, as QEMU's own cards have it. */
const PREFIX = '52:54:00';

/**
 * Network cards. The tap device behind one is made when the VMM is given it, in the VM's own network namespace, and is not persistent: it is there as long as
 * the VMM holds it, so there is nothing to take from the host, and nothing that could be left behind.
 */
export class TapDriver implements DeviceDriver {
  readonly #random: (bytes: number) => Uint8Array;

  constructor(random: (bytes: number) => Uint8Array) {
    this.#random = random;
  }

  async prepare({ what }: DeviceSpec, { before }: PrepareOptions = {}): Promise<HostTap> {
    if (what.kind !== 'tap') throw new DomainError('INTERNAL', `no network card: ${what.kind}`);
    if (before?.kind === 'tap') return await Promise.resolve(before);
    const path = what.mac === '' ? this.#address() : what.mac;
    return await Promise.resolve({ kind: 'tap', path, identity: `tap:${Buffer.from(this.#random(16)).toString('hex')}` });
  }

  async acquire(): Promise<void> {
    await Promise.resolve();
  }

  async release(): Promise<void> {
    await Promise.resolve();
  }

  #address(): string {
    return [PREFIX, ...[...this.#random(3)].map((byte) => byte.toString(16).padStart(2, '0'))].join(':');
  }
}
