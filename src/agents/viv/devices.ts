import { DomainError } from '../../core/model/errors.ts';
import type { GuestDevice, GuestFunction } from '../../core/model/device-spec.ts';
import type { WaitOptions } from '../../core/ports/host.ts';
import type { TtrpcClient } from '../ttrpc/client.ts';
import { VIV } from './services.ts';

/** The guest's own limit, below that of the call: it says what it saw. */
const GUEST_MS = 10_000;
const PATH = /^\/dev\/[a-z][a-z0-9]{0,30}$/;
/** Of any device: `/dev/dri/card0`, and no way out of /dev. */
const NODE = /^\/dev(?:\/[a-zA-Z0-9_+-][a-zA-Z0-9_.:+-]{0,62}){1,4}$/;
const NAME = /^[a-zA-Z0-9_.:@-]{0,63}$/;
const MOST = 64;
const PCI_ADDRESS = /^[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/;

/** Waits until the guest has a disk at a place. DEADLINE with what it saw instead; AGENT_PROTOCOL for an answer that is none. */
export async function awaitDevice(client: TtrpcClient, place: string, options: WaitOptions): Promise<GuestDevice> {
  const { pciAddress, path, sizeBytes } = await told(client.call(VIV.awaitDevice, { place, timeoutMs: GUEST_MS }, options));
  if (!PATH.test(path) || !PCI_ADDRESS.test(pciAddress)) throw new DomainError('AGENT_PROTOCOL', 'the guest agent named a device that can not be');
  return { pciAddress, path, sizeBytes: Number(sizeBytes), functions: [] };
}

/** Waits until the guest has a PCI function at a place, with what its driver made of it. */
export async function awaitFunction(client: TtrpcClient, place: string, options: WaitOptions): Promise<GuestFunction> {
  const { pciAddress, driver, nodes, interfaces } = await told(client.call(VIV.awaitFunction, { place, timeoutMs: GUEST_MS }, options));
  const sound = PCI_ADDRESS.test(pciAddress) && nodes.every((node) => NODE.test(node)) && [driver, ...interfaces].every((name) => NAME.test(name));
  if (!sound || nodes.length > MOST || interfaces.length > MOST) throw new DomainError('AGENT_PROTOCOL', 'the guest agent named a device that can not be');
  return { pciAddress, driver, nodes, interfaces };
}

/** DEVICE_IN_USE while something in the guest holds it. */
export async function releaseDevice(client: TtrpcClient, place: string, options: WaitOptions): Promise<void> {
  await told(client.call(VIV.releaseDevice, { place }, options));
}

/** DEADLINE while the guest still has something at that place. */
export async function awaitDeviceGone(client: TtrpcClient, place: string, options: WaitOptions): Promise<void> {
  await told(client.call(VIV.awaitGone, { place, timeoutMs: GUEST_MS }, options));
}

/** What the guest's refusals mean for a device. */
async function told<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    const words = error.message.replace(/^the guest agent (?:refused|did not finish) \w+(?: in time)?: /, '');
    switch (error.details.facts?.['code']) {
      case 'DEADLINE_EXCEEDED':
        throw new DomainError('DEADLINE', words, { remedy: 'look at the console of the sandbox', cause: error });
      case 'FAILED_PRECONDITION':
        throw new DomainError('DEVICE_IN_USE', words, { remedy: 'unmount it in the guest first, or detach it with force', cause: error });
      default:
        throw error;
    }
  }
}
