import { randomBytes } from 'node:crypto';
import { BlockDriver } from '../devices/block.ts';
import { nodeBlockHost } from '../devices/block-host.ts';
import { NodesOfHost } from '../devices/host-nodes.ts';
import { SerialHotplugQueue } from '../devices/hotplug-queue.ts';
import { TapDriver } from '../devices/tap.ts';
import { VfioDriver } from '../devices/vfio/vfio-driver.ts';
import { VhostUserDriver } from '../devices/vhost-user.ts';
import type { VfioWiring } from './vfio-wiring.ts';
import type { Deps } from './services/deps.ts';
import { DeviceUses } from './services/device-uses.ts';
import type { Registry } from './services/registry.ts';

/** Drivers by kind, who uses what, and a queue for each sandbox. */
export function wireDevices(registry: Registry, vfio: VfioWiring): Pick<Deps, 'devices' | 'hostNodes' | 'uses' | 'hotplugQueue'> {
  const host = nodeBlockHost();
  return {
    devices: { 'block': new BlockDriver(host), 'vfio': new VfioDriver(vfio), 'vhost-user-blk': new VhostUserDriver(host), 'tap': new TapDriver((count) => randomBytes(count)) },
    hostNodes: new NodesOfHost(host),
    uses: new DeviceUses(() => registry.sandboxes.map(({ record }) => record)),
    hotplugQueue: () => new SerialHotplugQueue(),
  };
}
