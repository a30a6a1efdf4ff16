import type { WaitOptions } from '../../core/ports/host.ts';
import type { AdoptOptions, VmSpec } from '../../core/ports/hypervisor.ts';
import type { QmpArguments, QmpCommand, QmpResult } from '../qmp/protocol.ts';
import { PLUG_KINDS } from './plug-kinds.ts';
import { functionId } from './plug-names.ts';
import { portIds } from './root-ports.ts';
import { CONTROLLER, unitName } from './scsi-disks.ts';

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

/** What its record says: what argv gave it (argv.ts), and what was plugged in since. */
export interface RecordedInventory extends VmInventory {
  /** Names of nodes and devices that were on their way in or out: they are looked after on their own. */
  readonly moving: ReadonlySet<string>;
}

export function inventoryOf(spec: VmSpec, { plugged = [], units = [] }: Pick<AdoptOptions, 'plugged' | 'units'> = {}): RecordedInventory {
  const settled = plugged.filter((device) => device.settled);
  return {
    cpus: spec.cpus,
    memoryBytes: spec.memoryBytes,
    blockNodes: [...(spec.image === '' ? [] : ['image0']), ...settled.flatMap(nodesOf)],
    devices: [...(spec.agentPort ? ['serial0'] : []), ...(spec.diskController ? [CONTROLLER] : []), ...portIds(spec), ...settled.flatMap(idsOf)],
    moving: new Set([...plugged.filter((device) => !device.settled).flatMap((device) => [...nodesOf(device), ...idsOf(device)]), ...units.map(unitName)]),
  };
}

function idsOf({ slot, functions }: NonNullable<AdoptOptions['plugged']>[number]): readonly string[] {
  return Array.from({ length: functions }, (_, part) => functionId(slot, part));
}

function nodesOf({ kind, slot }: NonNullable<AdoptOptions['plugged']>[number]): readonly string[] {
  return PLUG_KINDS[kind].nodes(slot);
}

/** Each difference in words; none when the VM has what its record says. */
export function differences(recorded: RecordedInventory, found: VmInventory): readonly string[] {
  const still = (names: readonly string[]): readonly string[] => names.filter((name) => !recorded.moving.has(name));
  return [
    ...(found.cpus === recorded.cpus ? [] : [`${found.cpus} vCPUs instead of ${recorded.cpus}`]),
    ...(found.memoryBytes === recorded.memoryBytes ? [] : [`${found.memoryBytes} bytes of memory instead of ${recorded.memoryBytes}`]),
    ...listed('block node', recorded.blockNodes, still(found.blockNodes)),
    ...listed('device', recorded.devices, still(found.devices)),
  ];
}

function listed(what: string, recorded: readonly string[], found: readonly string[]): readonly string[] {
  return [...recorded.filter((name) => !found.includes(name)).map((name) => `no ${what} ${name}`), ...found.filter((name) => !recorded.includes(name)).map((name) => `a ${what} ${name} that is not in its record`)];
}
