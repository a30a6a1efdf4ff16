import type { LaunchSpec } from '../../core/ports/host.ts';
import type { VmSpec } from '../../core/ports/hypervisor.ts';
import { qemuArgv } from './argv.ts';

/** How much of a console is kept: the newer of two files of this size at most. */
const RING_BYTES = 1024 * 1024;

/** Beyond the guest's own memory: a device's registers that are mapped count as well. */
const BESIDE_BYTES = 1024 ** 3;

/** A device that is passed on writes to all of the guest's memory by itself, so the kernel locks all of it; without a capability that needs a limit to match. */
function lockedMemory({ pciePorts, memoryBytes }: VmSpec): Readonly<Record<string, number>> {
  return pciePorts === 0 ? {} : { memlock: memoryBytes + BESIDE_BYTES };
}

/**
 * How the launcher starts QEMU: without any capability or way to get one, and in an empty network namespace, since a VM of this issue
 * has no network. It runs as root's uid, so that it can open the kernel, the image and /dev/kvm; as such it owns files and nothing more.
 */
export function qemuLaunchSpec(spec: VmSpec, accelerator: 'kvm' | 'tcg', cgroups: readonly string[]): LaunchSpec {
  return {
    name: 'vmm',
    argv: qemuArgv(spec, accelerator),
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
    keepCapabilities: [],
    noNewPrivs: true,
    namespaces: [{ type: 'net' }],
    cgroups,
    rlimits: lockedMemory(spec),
    console: true,
    ringBytes: RING_BYTES,
  };
}
