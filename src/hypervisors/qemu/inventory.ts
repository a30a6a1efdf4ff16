import type { WaitOptions } from '../../core/ports/host.ts';
import type { VmSpec } from '../../core/ports/hypervisor.ts';
import type { QmpArguments, QmpCommand, QmpResult } from '../qmp/protocol.ts';

/** What a VM is made of, as far as it can change while it runs. */
export interface VmInventory {
  readonly cpus: number;
  /** At boot and plugged since. */
  readonly memoryBytes: number;
  /** Names of block nodes that were given one. */
  readonly blockNodes: readonly string[];
  /** Ids of devices that were given one. */
  readonly devices: readonly string[];
}

interface Asked {
  execute<C extends QmpCommand>(command: C, args: QmpArguments<C>, options: WaitOptions): Promise<QmpResult<C>>;
}

/** Asks the VMM, and not the record, what its VM has. All questions go out at once. */
export async function askInventory(monitor: Asked, options: WaitOptions): Promise<VmInventory> {
  const [cpus, memory, nodes, devices] = await Promise.all([
    monitor.execute('query-cpus-fast', {}, options),
    monitor.execute('query-memory-size-summary', {}, options),
    monitor.execute('query-named-block-nodes', { flat: true }, options),
    monitor.execute('qom-list', { path: '/machine/peripheral' }, options),
  ]);
  return {
    cpus: cpus.length,
    memoryBytes: memory['base-memory'] + (memory['plugged-memory'] ?? 0),
    // QEMU names those that nobody named, with a sign that no name of ours has.
    blockNodes: nodes.map((node) => node['node-name'] ?? '').filter((name) => name !== '' && !name.startsWith('#')),
    devices: devices.filter(({ type }) => type.startsWith('child<')).map(({ name }) => name),
  };
}

/** What argv gave it (argv.ts): nothing is plugged later yet. */
export function inventoryOf(spec: VmSpec): VmInventory {
  return { cpus: spec.cpus, memoryBytes: spec.memoryBytes, blockNodes: spec.image === '' ? [] : ['image0'], devices: spec.agentPort ? ['serial0'] : [] };
}

/** Each difference in words; none when the VM has what its record says. */
export function differences(recorded: VmInventory, found: VmInventory): readonly string[] {
  return [
    ...(found.cpus === recorded.cpus ? [] : [`${found.cpus} vCPUs instead of ${recorded.cpus}`]),
    ...(found.memoryBytes === recorded.memoryBytes ? [] : [`${found.memoryBytes} bytes of memory instead of ${recorded.memoryBytes}`]),
    ...listed('block node', recorded.blockNodes, found.blockNodes),
    ...listed('device', recorded.devices, found.devices),
  ];
}

function listed(what: string, recorded: readonly string[], found: readonly string[]): readonly string[] {
  return [...recorded.filter((name) => !found.includes(name)).map((name) => `no ${what} ${name}`), ...found.filter((name) => !recorded.includes(name)).map((name) => `a ${what} ${name} that is not in its record`)];
}
