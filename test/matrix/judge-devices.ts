import { setTimeout as delay } from 'node:timers/promises';
import { DeviceState, deviceStateToJSON, type Device } from '../../src/gen/vivarium/v1/device.ts';
import type { Sandbox } from '../../src/gen/vivarium/v1/sandbox.ts';
import { bootsWithDisk, bringsDisk, DISK, isLive, type MatrixClient, type Subject } from './subject.ts';

/** What was half way when the daemon came back is over within this. */
const SETTLED_MS = 60_000;
const LOOK_MS = 200;

/** Device, port, node and record agree: nothing is half way, the VM has what its record says, and what is there can be taken out. */
export async function judgeDevices(client: MatrixClient, { cell, sandboxId }: Subject, sandbox: Sandbox): Promise<readonly string[]> {
  const wrong = sandbox.conditions.filter(({ name }) => name === 'vm_differs').map(({ message }) => `its VM differs: ${message}`);
  if (bringsDisk(cell)) return [...wrong, ...(await judgeOwned(client, sandboxId))];
  if (cell.plan !== 'device-attach' && cell.plan !== 'device-detach' && !bootsWithDisk(cell)) return wrong;
  const resting = isLive(sandbox.state) ? DeviceState.DEVICE_STATE_ATTACHED : DeviceState.DEVICE_STATE_KEPT;
  const devices = await settled(client, sandboxId, resting);
  wrong.push(...devices.filter(({ state }) => state !== resting).map(({ state, detail }) => `its disk is ${deviceStateToJSON(state)}: ${detail}`));
  if (bootsWithDisk(cell) && devices.length !== 1) wrong.push(`it has ${devices.length} disks instead of the one that it had`);
  if (wrong.length > 0 || devices.length === 0) return wrong;
  await client.devices.detachDevice({ sandboxId, deviceId: DISK }, { signal: AbortSignal.timeout(SETTLED_MS) });
  const { devices: left } = await client.devices.listDevices({ sandboxId });
  return left.map(({ state }) => `its disk was taken out and is ${deviceStateToJSON(state)}`);
}

/** A disk that a container brought is there as long as the container, and no longer. */
async function judgeOwned(client: MatrixClient, sandboxId: string): Promise<readonly string[]> {
  const until = Date.now() + SETTLED_MS;
  for (;;) {
    const { devices } = await client.devices.listDevices({ sandboxId });
    const { containers } = await client.containers.listContainers({ sandboxId });
    const orphans = devices.filter(({ containerId }) => !containers.some(({ id }) => id === containerId));
    if (orphans.length === 0 || Date.now() > until) return orphans.map(({ id, state }) => `disk ${id} is ${deviceStateToJSON(state)} without its container`);
    await delay(LOOK_MS);
  }
}

async function settled(client: MatrixClient, sandboxId: string, resting: DeviceState): Promise<readonly Device[]> {
  const until = Date.now() + SETTLED_MS;
  for (;;) {
    const { devices } = await client.devices.listDevices({ sandboxId });
    if (devices.every(({ state }) => state === resting) || Date.now() > until) return devices;
    await delay(LOOK_MS);
  }
}
