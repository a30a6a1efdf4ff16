import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createChannel, createClient, type Channel, type Client } from 'nice-grpc';
import type { PlanName } from '../../src/core/machine/plans.ts';
import { ContainerServiceDefinition, type ContainerSpec, type DeepPartial, type Mount } from '../../src/gen/vivarium/v1/container.ts';
import { DeviceServiceDefinition } from '../../src/gen/vivarium/v1/device.ts';
import { HostServiceDefinition } from '../../src/gen/vivarium/v1/host.ts';
import { ImageServiceDefinition } from '../../src/gen/vivarium/v1/image.ts';
import { SandboxServiceDefinition, SandboxState, type Sandbox } from '../../src/gen/vivarium/v1/sandbox.ts';
import type { Cell } from './cells.ts';
import { fetchImage, isOfImage } from './images.ts';

/** A client of one daemon's life; a daemon that was killed needs another. */
export class MatrixClient implements Disposable {
  readonly sandboxes: Client<SandboxServiceDefinition>;
  readonly containers: Client<ContainerServiceDefinition>;
  readonly devices: Client<DeviceServiceDefinition>;
  readonly images: Client<ImageServiceDefinition>;
  readonly host: Client<HostServiceDefinition>;
  readonly #home: string;
  readonly #channel: Channel;

  /** `unix:PATH`. */
  constructor(host: string) {
    this.#channel = createChannel(host.replace(/^unix:/, 'unix://'), undefined, { 'grpc.max_receive_message_length': 64 << 20, 'grpc.use_local_subchannel_pool': 1 });
    this.sandboxes = createClient(SandboxServiceDefinition, this.#channel);
    this.containers = createClient(ContainerServiceDefinition, this.#channel);
    this.devices = createClient(DeviceServiceDefinition, this.#channel);
    this.images = createClient(ImageServiceDefinition, this.#channel);
    this.host = createClient(HostServiceDefinition, this.#channel);
    this.#home = dirname(dirname(host.replace(/^unix:/, '')));
  }

  /** Every sandbox there is, over all pages. */
  async list(): Promise<readonly Sandbox[]> {
    const all: Sandbox[] = [];
    for (let pageToken = ''; ; ) {
      const page = await this.sandboxes.listSandboxes({ pageToken });
      all.push(...page.sandboxes);
      if (page.nextPageToken === '') return all;
      pageToken = page.nextPageToken;
    }
  }

  /** A container of the embedded image; started unless told otherwise. */
  async container(sandboxId: string, args: readonly string[], start: boolean, spec: Pick<DeepPartial<ContainerSpec>, 'devices'> = {}): Promise<string> {
    const { container } = await this.containers.createContainer({ sandboxId, spec: { ...spec, rootfs: { $case: 'image', value: 'busybox' }, args: [...args] } });
    const id = container?.id ?? '';
    if (start) await this.containers.startContainer({ containerId: id });
    return id;
  }

  /** A disk of a subject's own. */
  disk({ name }: Subject): { readonly path: string } {
    const path = join(this.#home, `${name}.img`);
    writeFileSync(path, '');
    truncateSync(path, 1 << 20);
    return { path };
  }

  /** Plugs it in. */
  async attach(subject: Subject, signal: AbortSignal): Promise<void> {
    await this.devices.attachDevice({ sandboxId: subject.sandboxId, device: { id: DISK, kind: { $case: 'block', value: this.disk(subject) } } }, { signal });
  }

  /** Runs `true` in a container and answers its exit code. */
  async execTrue(containerId: string, signal: AbortSignal): Promise<number> {
    const start = { message: { $case: 'start' as const, value: { containerId, command: ['true'] } } };
    for await (const { message } of this.containers.exec(once(start), { signal })) {
      if (message?.$case === 'exit') return message.value.code;
    }
    throw new Error('the exec ended without an exit');
  }

  [Symbol.dispose](): void {
    this.#channel.close();
  }
}

async function* once<T>(message: T): AsyncIterable<T> {
  yield message;
}

/** What the cells are played on. */
export interface Stage {
  /** `plain`, `shared` with a directory shared with the guest, and `disks` with images on disks. */
  readonly profiles: { readonly plain: string; readonly shared: string; readonly disks: string };
  /** A program that counts from 1, a line each, some times a second. */
  readonly witness: readonly string[];
  /** Where the daemon's directories are: in memory, hundreds of sandboxes do not wait for each other's fsyncs. */
  readonly parent: string;
  /** VMs that boot side by side. */
  readonly bootsAtOnce: number;
}

/** A process that a recycled pid is not taken for. */
export interface Vmm {
  readonly pid: number;
  readonly startTime: string;
}

/** What stands ready for one cell. */
export interface Subject {
  readonly cell: Cell;
  readonly stage: Stage;
  /** Of its sandbox; of an image what it is fetched by. */
  readonly name: string;
  sandboxId: string;
  /** Counts from 1, a line each; whoever restarts or skips shows. */
  witness: string;
  target: string;
  vmm: Vmm | undefined;
}

export function startTimeOf(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ')[19];
  } catch {
    return undefined;
  }
}

export function lives(vmm: Vmm): boolean {
  if (startTimeOf(vmm.pid) !== vmm.startTime) return false;
  return !/^State:\s+Z/m.test(readFileSync(`/proc/${vmm.pid}/status`, 'utf8'));
}

/** The id of every subject's disk. */
export const DISK = 'disk';
/** A call before a cell's own, at most. */
const PREPARED_MS = 120_000;

/** Steps that make or remove something only when files are shared with the guest. */
const SHARED_STEPS = new Set(['share', 'rootfs', 'volumes', 'mounts']);

function profileOf({ at }: Cell): string {
  return at === 'disks' ? 'disks' : SHARED_STEPS.has(at) ? 'shared' : 'plain';
}

/** How often the way to the cell's own request passes its point: the witness is made and started before it, and what boots was booted before. */
export function passesBefore({ plan, at }: Cell): number {
  if (plan === 'boot') return at === 'sandbox:create-succeeded' ? 1 : 0;
  // The witness has no mounts and no devices.
  if (at === 'mounts' || at === 'volumes' || at === 'devices') return 0;
  return plan === 'container-create' || plan === 'container-start' ? 1 : 0;
}

const WITHOUT_TARGET: ReadonlySet<PlanName> = new Set<PlanName>(['pause', 'resume', 'stop', 'clean', 'delete', 'recover', 'container-create', 'exec', 'device-attach', 'device-detach']);

/** What a boot plugs in again was there before. */
export function bootsWithDisk({ plan, at }: Cell): boolean {
  return plan === 'boot' && (at === 'devices' || at === 'device:replug-requested');
}

/** A container that brings a disk, and takes it along. */
export function bringsDisk({ plan, at }: Cell): boolean {
  return at === 'devices' && (plan === 'container-create' || plan === 'container-delete');
}

function ownDisk(client: MatrixClient, subject: Subject): { readonly containerPath: string; readonly kind: { readonly $case: 'block'; readonly value: { readonly path: string } } }[] {
  return [{ containerPath: '/dev/own', kind: { $case: 'block', value: client.disk(subject) } }];
}

/** Brings a cell's sandbox to where its plan begins. */
export async function prepare(client: MatrixClient, subject: Subject): Promise<void> {
  const { cell, stage } = subject;
  if (cell.plan === 'create' || isOfImage(cell)) return;
  const { sandbox } = await client.sandboxes.createSandbox({ spec: { name: subject.name, profile: profileOf(cell) } });
  if (sandbox === undefined) throw new Error('no sandbox in the reply');
  subject.sandboxId = sandbox.id;
  if (bootsWithDisk(cell)) await client.attach(subject, AbortSignal.timeout(PREPARED_MS));
  if (cell.plan === 'boot') {
    await client.sandboxes.stopSandbox({ sandboxId: sandbox.id });
    return;
  }
  subject.vmm = { pid: sandbox.vmmPid, startTime: startTimeOf(sandbox.vmmPid) ?? '' };
  subject.witness = await client.container(sandbox.id, stage.witness, true);
  if (cell.plan === 'device-detach') await client.attach(subject, AbortSignal.timeout(PREPARED_MS));
  if (cell.plan === 'resume') await client.sandboxes.pauseSandbox({ sandboxId: sandbox.id });
  if (WITHOUT_TARGET.has(cell.plan)) return;
  subject.target = await client.container(sandbox.id, ['sleep', '100000'], cell.plan !== 'container-start', bringsDisk(cell) ? { devices: ownDisk(client, subject) } : {});
  if (cell.plan === 'container-resume') await client.containers.pauseContainer({ containerId: subject.target });
}

/** Sends the request of the cell's plan. `clean` and `recover` have none: what begins them is done to the VM or to the daemon. */
export async function request(client: MatrixClient, subject: Subject, signal: AbortSignal): Promise<void> {
  const { cell, name, sandboxId, witness, target, vmm } = subject;
  switch (cell.plan) {
    case 'create':
      await client.sandboxes.createSandbox({ spec: { name, profile: profileOf(cell) } }, { signal });
      return;
    case 'boot':
      await client.sandboxes.startSandbox({ sandboxId }, { signal });
      return;
    case 'pause':
      await client.sandboxes.pauseSandbox({ sandboxId }, { signal });
      return;
    case 'resume':
      await client.sandboxes.resumeSandbox({ sandboxId }, { signal });
      return;
    case 'stop':
      await client.sandboxes.stopSandbox({ sandboxId, grace: { seconds: 1n, nanos: 0 } }, { signal });
      return;
    case 'delete':
      await client.sandboxes.deleteSandbox({ sandboxId, force: true }, { signal });
      return;
    case 'clean':
      if (vmm !== undefined) process.kill(vmm.pid, 'SIGKILL');
      return;
    case 'recover':
      return;
    case 'container-create':
      await client.containers.createContainer({ sandboxId, spec: { rootfs: { $case: 'image', value: 'busybox' }, args: ['sleep', '100000'], mounts: mountsOf(cell), devices: bringsDisk(cell) ? ownDisk(client, subject) : [] } }, { signal });
      return;
    case 'container-start':
      await client.containers.startContainer({ containerId: target }, { signal });
      return;
    case 'container-stop':
      await client.containers.stopContainer({ containerId: target, grace: { seconds: 1n, nanos: 0 } }, { signal });
      return;
    case 'container-kill':
      await client.containers.killContainer({ containerId: target, signal: 'SIGUSR1' }, { signal });
      return;
    case 'container-pause':
      await client.containers.pauseContainer({ containerId: target }, { signal });
      return;
    case 'container-resume':
      await client.containers.resumeContainer({ containerId: target }, { signal });
      return;
    case 'container-delete':
      await client.containers.deleteContainer({ containerId: target, force: true }, { signal });
      return;
    case 'device-attach':
      await client.attach(subject, signal);
      return;
    case 'device-detach':
      await client.devices.detachDevice({ sandboxId, deviceId: DISK }, { signal });
      return;
    case 'image-pull':
    case 'image-import':
      await fetchImage(client, subject, signal);
      return;
    case 'exec':
      await client.execTrue(witness, signal);
  }
}

/** What only its step makes. */
function mountsOf({ at }: Cell): DeepPartial<Mount>[] {
  if (at === 'mounts') return [{ destination: '/bound', kind: { $case: 'bind', value: { source: '/etc' } } }];
  return at === 'volumes' ? [{ destination: '/etc', kind: { $case: 'volume', value: {} } }] : [];
}

export function isLive(state: SandboxState): boolean {
  return state === SandboxState.SANDBOX_STATE_READY || state === SandboxState.SANDBOX_STATE_RUNNING || state === SandboxState.SANDBOX_STATE_PAUSED;
}
