import { BlockDriver } from '../devices/block.ts';
import { nodeBlockHost } from '../devices/block-host.ts';
import { SerialHotplugQueue } from '../devices/hotplug-queue.ts';
import type { Deps } from './services/deps.ts';
import { DiskUses } from './services/disk-uses.ts';
import type { Registry } from './services/registry.ts';

/** Drivers by kind, who uses which disk, and a queue for each sandbox. */
export function wireDevices(registry: Registry): Pick<Deps, 'devices' | 'disks' | 'hotplugQueue'> {
  return {
    devices: { block: new BlockDriver(nodeBlockHost()) },
    disks: new DiskUses(() => registry.sandboxes.map(({ record }) => record)),
    hotplugQueue: () => new SerialHotplugQueue(),
  };
}
