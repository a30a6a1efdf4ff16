import { portAddress } from '../../core/machine/slot-map.ts';
import type { VmSpec } from '../../core/ports/hypervisor.ts';

/** The bus behind a port, as device_add wants it. */
export function portBus(port: number): string {
  return `port${port}`;
}

/** Ids of the ports of a VM, as the VMM lists them. */
export function portIds(spec: Pick<VmSpec, 'machine' | 'pciePorts'>): readonly string[] {
  return spec.machine === 'q35' ? Array.from({ length: spec.pciePorts }, (_, port) => portBus(port)) : [];
}

/**
 * Empty ports for what is plugged in later: q35 takes no hotplug on its root bus. Each stands at an address of its own (slot-map.ts), so that a
 * place in the guest does not depend on what else the VM has. No I/O ports are set aside: virtio has needed none since 1.0, and there are too few.
 */
export function rootPorts(spec: Pick<VmSpec, 'machine' | 'pciePorts'>): readonly string[] {
  return portIds(spec).flatMap((id, port) => {
    const multifunction = port % 8 === 0 ? ',multifunction=on' : '';
    return ['-device', `pcie-root-port,id=${id},bus=pcie.0,addr=${portAddress(port)}${multifunction},chassis=${port + 1},slot=${port + 1},io-reserve=0`];
  });
}
