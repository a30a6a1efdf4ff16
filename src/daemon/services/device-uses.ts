import { isOnlyRead, type DeviceSpec, type HostDevice } from '../../core/model/device-spec.ts';
import { DomainError } from '../../core/model/errors.ts';
import type { SandboxRecord } from '../../core/model/record.ts';

interface Use {
  readonly sandboxId: string;
  readonly sandbox: string;
  readonly deviceId: string;
  readonly identity: string;
  readonly readOnly: boolean;
}

/** Which sandbox uses which device of the host: many may read a disk, anything else is one sandbox's. The records say so, and for those not written down yet, this. */
export class DeviceUses {
  readonly #records: () => readonly SandboxRecord[];
  readonly #pending = new Set<Use>();

  constructor(records: () => readonly SandboxRecord[]) {
    this.#records = records;
  }

  /** From now on it is this device's; dispose of the result once a record says so, or nothing came of it. DEVICE_IN_USE with who has it. */
  take(sandbox: SandboxRecord, { id, what }: DeviceSpec, host: HostDevice): Disposable {
    const use: Use = { sandboxId: sandbox.id, sandbox: sandbox.name, deviceId: id, identity: host.identity, readOnly: isOnlyRead(what) };
    const other = [...this.#pending, ...this.#records().flatMap(usesOf)].find((known) => conflicts(known, use));
    if (other !== undefined) {
      throw new DomainError('DEVICE_IN_USE', `${host.path} is device ${other.deviceId} of sandbox ${other.sandbox}`, {
        sandboxId: sandbox.id,
        remedy: 'detach it there first; a disk can also be attached read-only in both',
        facts: { used_by: other.sandboxId },
      });
    }
    this.#pending.add(use);
    return { [Symbol.dispose]: () => { this.#pending.delete(use); } };
  }
}

/** A device that waits for a start of its sandbox is not in use: that start looks again. */
function usesOf({ id, name, devices }: SandboxRecord): readonly Use[] {
  return devices.filter(({ state }) => state !== 'kept').map((device): Use => ({ sandboxId: id, sandbox: name, deviceId: device.id, identity: device.host.identity, readOnly: isOnlyRead(device.spec.what) }));
}

function conflicts(known: Use, wanted: Use): boolean {
  const same = known.sandboxId === wanted.sandboxId && known.deviceId === wanted.deviceId;
  return known.identity === wanted.identity && !same && !(known.readOnly && wanted.readOnly);
}
