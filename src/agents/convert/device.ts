import type { ContainerNode } from '../../core/ports/agent.ts';
import type { Device } from '../../gen/agent/storage.ts';

/** What is plugged in is `blk` with its place, as the kata protocol has it. `node`, of the guest's own by its path, is ours: viv-agent alone has it. */
export function toDeviceMessage({ place, vmPath, containerPath }: ContainerNode): Device {
  return { id: place, type: place === '' ? 'node' : 'blk', vmPath, containerPath, options: [] };
}
