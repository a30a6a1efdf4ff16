import { DomainError } from '../model/errors.ts';

/** Ports of one VM at most: four slots of the root bus with eight functions each. */
export const MOST_PORTS = 32;
/** The slots of q35's root bus below these are for the devices that a VM boots with; its own chips are above. */
const FIRST_SLOT = 0x10;
const FUNCTIONS = 8;

/** Where a port is on the root bus: `10.3`, in hexadecimal, as PCI writes slot and function. */
export function portAddress(port: number): string {
  return `${(FIRST_SLOT + Math.floor(port / FUNCTIONS)).toString(16)}.${port % FUNCTIONS}`;
}

/** Where the guest finds a function of the device in a port: slots and functions on the way from the root complex down (proto/vivarium/agent/v1/device.proto). */
export function placeOf(port: number, part = 0): string {
  return `${portAddress(port)}/00.${part}`;
}

/** The ports of one VM, and what is in each. A value: every change is a new map. */
export class SlotMap {
  readonly ports: number;
  readonly #owners: ReadonlyMap<number, string>;

  private constructor(ports: number, owners: ReadonlyMap<number, string>) {
    this.ports = ports;
    this.#owners = owners;
  }

  static empty(ports: number): SlotMap {
    return new SlotMap(Math.max(0, Math.min(ports, MOST_PORTS)), new Map());
  }

  /** What a record says, and what a VMM says has something in it that no record knows: that stays reserved. */
  static rebuilt(ports: number, held: readonly { readonly slot: number; readonly owner: string }[], found: readonly number[] = []): SlotMap {
    const start = held.reduce((map, { slot, owner }) => map.reserve(slot, owner), SlotMap.empty(ports));
    return found.reduce((map, slot) => (map.ownerOf(slot) === undefined ? map.reserve(slot, '') : map), start);
  }

  get free(): number {
    return this.ports - this.#owners.size;
  }

  ownerOf(slot: number): string | undefined {
    return this.#owners.get(slot);
  }

  /** The lowest free slot. CAPACITY_EXHAUSTED with the number of all when none is. */
  allocate(owner: string): { readonly map: SlotMap; readonly slot: number } {
    for (let slot = 0; slot < this.ports; slot += 1) {
      if (!this.#owners.has(slot)) return { map: this.reserve(slot, owner), slot };
    }
    throw new DomainError('CAPACITY_EXHAUSTED', `all ${this.ports} ports of the VM are taken`, {
      remedy: `detach a device first, or create the sandbox with a profile that has more (pcie_ports, at most ${MOST_PORTS})`,
      facts: { limit: String(this.ports) },
    });
  }

  /** Throws INTERNAL for a slot that there is not or that somebody else has: a record that says so is wrong. */
  reserve(slot: number, owner: string): SlotMap {
    if (!Number.isInteger(slot) || slot < 0 || slot >= this.ports) throw new DomainError('INTERNAL', `the VM has no port ${slot}; it has ${this.ports}`);
    const other = this.#owners.get(slot);
    if (other !== undefined && other !== owner) throw new DomainError('INTERNAL', `port ${slot} is held by ${JSON.stringify(other)} and by ${JSON.stringify(owner)}`);
    return new SlotMap(this.ports, new Map(this.#owners).set(slot, owner));
  }

  /** Any number of times. */
  release(slot: number): SlotMap {
    const owners = new Map(this.#owners);
    owners.delete(slot);
    return new SlotMap(this.ports, owners);
  }
}
