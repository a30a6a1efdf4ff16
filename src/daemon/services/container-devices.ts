import { posix } from 'node:path';
import type { DeviceSpec } from '../../core/model/device-spec.ts';
import { DomainError, invalidRequest, toDomainError } from '../../core/model/errors.ts';
import { shortId } from '../../core/model/ids.ts';
import type { ContainerDevice, ContainerSpec } from '../../core/model/sandbox-spec.ts';
import { placeOf } from '../../core/machine/slot-map.ts';
import type { ContainerNode, GuestAgent } from '../../core/ports/agent.ts';
import type { WaitOptions } from '../../core/ports/host.ts';
import type { ContainerUnit } from './container-unit.ts';
import { attachInTurn, checkMachine } from './device-attach.ts';
import { detachInTurn } from './device-detach.ts';
import type { SandboxUnit } from './sandbox-unit.ts';

/** One device of a container's spec, and what it comes to. */
export interface WantedDevice {
  readonly request: ContainerDevice;
  /** What is plugged in for it; undefined: the guest's own node of that path. */
  readonly plug: DeviceSpec | undefined;
}

/** What a container's devices come to, all looked at before a thing is touched. What was plugged in for it before stays that. */
export async function wantedDevices(unit: ContainerUnit, { devices }: ContainerSpec): Promise<readonly WantedDevice[]> {
  const wanted: WantedDevice[] = [];
  for (const [index, request] of devices.entries()) wanted.push(await wantedDevice(unit, request, index));
  return wanted;
}

async function wantedDevice({ sandbox, id: owner }: ContainerUnit, request: ContainerDevice, index: number): Promise<WantedDevice> {
  const id = `${shortId(owner)}-${index}`;
  const known = sandbox.record.devices.find((device) => device.id === id && device.owner === owner);
  if (known !== undefined) return { request, plug: known.spec };
  const { deps } = sandbox;
  const what = request.what.kind === 'node' ? await deps.hostNodes.resolve(request.what.path) : request.what;
  if (what === undefined) return { request, plug: undefined };
  checkMachine(sandbox, what);
  const plug: DeviceSpec = { id, what };
  await deps.devices[what.kind].prepare(plug);
  return { request, plug };
}

/** Plugs in what is not there yet, one after the other, and answers what the guest is told of them all. */
export async function attachWanted(unit: ContainerUnit, wanted: readonly WantedDevice[], options: WaitOptions): Promise<readonly ContainerNode[]> {
  const nodes: ContainerNode[] = [];
  for (const { request, plug } of wanted) {
    if (plug !== undefined) await attachInTurn(unit.sandbox, { spec: plug, owner: unit.id }, options);
    nodes.push(...nodesOf(unit.sandbox, request, plug));
  }
  return nodes;
}

function nodesOf(sandbox: SandboxUnit, request: ContainerDevice, plug: DeviceSpec | undefined): readonly ContainerNode[] {
  if (plug?.what.kind !== 'vfio') return [nodeOf(sandbox, request, plug)];
  // Whatever the guest's driver made of it, under the guest's names; of a NIC nothing.
  const device = sandbox.record.devices.find(({ id }) => id === plug.id);
  const made = device?.guest?.functions.flatMap(({ nodes }) => nodes) ?? [];
  return made.map((vmPath) => ({ place: '', vmPath, containerPath: vmPath, permissions: request.permissions }));
}

function nodeOf({ record }: SandboxUnit, { containerPath, permissions, what }: ContainerDevice, plug: DeviceSpec | undefined): ContainerNode {
  const wish = containerPath === '' && what.kind === 'node' ? what.path : containerPath;
  if (plug === undefined) return { place: '', vmPath: what.kind === 'node' ? posix.normalize(what.path) : '', containerPath: wish, permissions };
  const device = record.devices.find(({ id }) => id === plug.id);
  const vmPath = device?.guest?.path ?? '';
  if (wish === '' && vmPath === '') throw invalidRequest([{ field: 'spec.devices.container_path', description: "is needed here: the guest's agent does not tell how the guest calls a disk" }]);
  return { place: placeOf(device?.slot ?? 0), vmPath, containerPath: wish === '' ? vmPath : wish, permissions };
}

/** An agent that would not make the nodes, or would make others, is not asked. */
export async function mustMakeNodes(agent: GuestAgent, nodes: readonly ContainerNode[], options: WaitOptions): Promise<void> {
  if (nodes.length === 0 || (await agent.features(options)).has('nodes')) return;
  if (agent.kind === 'viv-agent') throw new DomainError('UNSUPPORTED', "the guest's agent is too old to give devices to containers", { remedy: 'build the guest anew (viv guest build), and create the sandbox with it' });
  const own = nodes.find(({ place }) => place === '');
  if (own !== undefined) throw new DomainError('UNSUPPORTED', `an official kata agent gives no device of the guest's own to a container: ${own.vmPath}`, { remedy: 'use a profile with agent = "viv-agent"' });
}

/**
 * What came with a container goes with it. A guest that does not let go in time keeps no container from going: the device stays unplugging, and goes when
 * it does. Of a VM that is no more only the record is left.
 */
export async function detachOwned(unit: ContainerUnit, how: { readonly force: boolean }): Promise<void> {
  const { sandbox } = unit;
  for (const { id, state } of sandbox.record.devices.filter(({ owner }) => owner === unit.id)) {
    if (state !== 'kept' && sandbox.session === undefined) continue;
    await detachInTurn(sandbox, id, { ...how, missing: () => undefined }, {}).catch((error: unknown) => {
      if (toDomainError(error).reason !== 'DEADLINE') throw error;
      sandbox.log.warn({ error, device: id, container: unit.id }, 'a device that came with a container is not out yet');
    });
  }
}
