import type { HostDisk } from '../../core/model/device-spec.ts';
import { DomainError } from '../../core/model/errors.ts';
import type { SandboxRecord } from '../../core/model/record.ts';

interface Use {
  readonly sandboxId: string;
  readonly sandbox: string;
  readonly deviceId: string;
  readonly identity: string;
  readonly readOnly: boolean;
}

/** Which sandbox uses which disk: many may read one, one may write it. The records say so, and for those not written down yet, this. */
export class DiskUses {
  readonly #records: () => readonly SandboxRecord[];
  readonly #pending = new Set<Use>();

  constructor(records: () => readonly SandboxRecord[]) {
    this.#records = records;
  }

  /** From now on it is this device's; dispose of the result once a record says so, or nothing came of it. DEVICE_IN_USE with who has it. */
  take(sandbox: SandboxRecord, deviceId: string, disk: HostDisk, readOnly: boolean): Disposable {
    const use: Use = { sandboxId: sandbox.id, sandbox: sandbox.name, deviceId, identity: disk.identity, readOnly };
    const other = [...this.#pending, ...this.#records().flatMap(usesOf)].find((known) => conflicts(known, use));
    if (other !== undefined) {
      throw new DomainError('DEVICE_IN_USE', `${disk.path} is device ${other.deviceId} of sandbox ${other.sandbox}`, {
        sandboxId: sandbox.id,
        remedy: 'detach it there first, or attach it read-only in both',
        facts: { used_by: other.sandboxId },
      });
    }
    this.#pending.add(use);
    return { [Symbol.dispose]: () => { this.#pending.delete(use); } };
  }
}

/** A disk that waits for a start of its sandbox is not in use: that start looks again. */
function usesOf({ id, name, devices }: SandboxRecord): readonly Use[] {
  return devices.filter(({ state }) => state !== 'kept').map((device): Use => ({ sandboxId: id, sandbox: name, deviceId: device.id, identity: device.host.identity, readOnly: device.spec.what.readOnly }));
}

function conflicts(known: Use, wanted: Use): boolean {
  const same = known.sandboxId === wanted.sandboxId && known.deviceId === wanted.deviceId;
  return known.identity === wanted.identity && !same && !(known.readOnly && wanted.readOnly);
}
