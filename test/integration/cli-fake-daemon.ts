import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createServer, ServerError, Status, type CallContext, type Server } from 'nice-grpc';
import { errorDetailsServerMiddleware } from 'nice-grpc-error-details';
import { HealthDefinition, HealthCheckResponse_ServingStatus } from '../../src/gen/grpc/health/v1/health.ts';
import {
  Container, ContainerServiceDefinition, ContainerState, type AttachRequest, type AttachStart, type ContainerServiceImplementation, type CreateContainerRequest,
  type ExecRequest, type ExecStart,
} from '../../src/gen/vivarium/v1/container.ts';
import { EventServiceDefinition } from '../../src/gen/vivarium/v1/event.ts';
import { GuestServiceDefinition } from '../../src/gen/vivarium/v1/guest.ts';
import { HostServiceDefinition, type AuditRequest, type AuditResponse, type DeepPartial, type HostServiceImplementation } from '../../src/gen/vivarium/v1/host.ts';
import { Sandbox, SandboxServiceDefinition, SandboxState, type CreateSandboxRequest, type SandboxServiceImplementation } from '../../src/gen/vivarium/v1/sandbox.ts';
import { ImageServiceDefinition } from '../../src/gen/vivarium/v1/image.ts';
import { FakeImages } from './cli-fake-images.ts';
import { FakeObservers } from './cli-fake-observers.ts';
import { FakeProcess, type FakeScript } from './cli-fake-process.ts';
import { refused } from './cli-refused.ts';

const pad = (count: number): string => count.toString(16).padStart(12, '0');

/** A daemon of the public API whose processes are scripts. It can go away and come back without its processes noticing. */
export class FakeDaemon {
  readonly sandboxes = new Map<string, Sandbox>();
  readonly containers = new Map<string, Container>();
  readonly created: { sandboxes: CreateSandboxRequest[]; containers: CreateContainerRequest[] } = { sandboxes: [], containers: [] };
  readonly attachStarts: AttachStart[] = [];
  readonly audits: AuditRequest[] = [];
  /** What an audit answers. */
  auditReply: DeepPartial<AuditResponse> = { clean: true };
  readonly execStarts: ExecStart[] = [];
  readonly resumes: { stdout: bigint; stderr: bigint }[] = [];
  readonly calls: string[] = [];
  readonly observers = new FakeObservers();
  readonly images = new FakeImages();
  readonly processes = new Map<string, FakeProcess>();
  /** What the next processes do. */
  script: FakeScript = async () => 0;
  beforeCreateSandbox: (context: CallContext) => Promise<void> = async () => undefined;
  beforeCreateContainer: () => void = () => undefined;
  beforeStart: () => void = () => undefined;
  version = '9.9.9';
  #directory = '';
  #server: Server | undefined;
  #count = 0;

  static async start(): Promise<FakeDaemon> {
    const daemon = new FakeDaemon();
    daemon.#directory = await mkdtemp('/tmp/vv-cli-');
    await daemon.listen();
    return daemon;
  }

  get address(): string {
    return `unix:${join(this.#directory, 'vivd.sock')}`;
  }

  get directory(): string {
    return this.#directory;
  }

  async listen(): Promise<void> {
    const server = createServer({ 'grpc.max_receive_message_length': 64 << 20 }).use(errorDetailsServerMiddleware);
    server.add(SandboxServiceDefinition, this.#sandboxService());
    server.add(ContainerServiceDefinition, this.#containerService());
    server.add(HostServiceDefinition, this.#hostService());
    server.add(EventServiceDefinition, this.observers.eventService());
    server.add(GuestServiceDefinition, this.observers.guestService());
    server.add(ImageServiceDefinition, this.images.service());
    server.add(HealthDefinition, {
      check: async () => ({ status: HealthCheckResponse_ServingStatus.SERVING }),
      async *watch() { yield { status: HealthCheckResponse_ServingStatus.SERVING }; },
    });
    await server.listen(this.address);
    this.#server = server;
  }

  /** As if it was killed: every connection breaks. */
  async vanish(): Promise<void> {
    this.#server?.forceShutdown();
    this.#server = undefined;
    await rm(join(this.#directory, 'vivd.sock'), { force: true });
  }

  async stop(): Promise<void> {
    await this.vanish();
    await rm(this.#directory, { recursive: true, force: true });
  }

  addContainer(partial: Parameters<typeof Container.fromPartial>[0]): Container {
    const container = Container.fromPartial({ ...this.#ids('019c0000-0000-7000-8000-'), state: ContainerState.CONTAINER_STATE_RUNNING, ...partial });
    this.containers.set(container.id, container);
    return container;
  }

  addSandbox(partial: Parameters<typeof Sandbox.fromPartial>[0]): Sandbox {
    const sandbox = Sandbox.fromPartial({ ...this.#ids('019b0000-0000-7000-8000-'), state: SandboxState.SANDBOX_STATE_READY, ...partial });
    this.sandboxes.set(sandbox.id, sandbox);
    return sandbox;
  }

  #ids(prefix: string): { id: string; shortId: string } {
    const id = `${prefix}${pad((this.#count += 1))}`;
    return { id, shortId: id.slice(-10) };
  }

  #container(id: string): Container {
    const found = [...this.containers.values()].find((container) => container.id === id || container.shortId === id || container.spec?.name === id);
    if (found === undefined) throw refused(Status.NOT_FOUND, 'CONTAINER_NOT_FOUND', `there is no container "${id}"`, { container_id: id, remedy: 'see viv ps -a' });
    return found;
  }

  #sandbox(id: string): Sandbox {
    const found = [...this.sandboxes.values()].find((sandbox) => sandbox.id === id || sandbox.shortId === id || sandbox.spec?.name === id);
    if (found === undefined) throw refused(Status.NOT_FOUND, 'SANDBOX_NOT_FOUND', `there is no sandbox "${id}"`, { sandbox_id: id });
    return found;
  }

  #startProcess(id: string, tty: boolean): FakeProcess {
    const process = new FakeProcess(id, tty, this.script);
    this.processes.set(id, process);
    return process;
  }

  #sandboxService(): SandboxServiceImplementation {
    const unused = async (): Promise<never> => { throw new ServerError(Status.UNIMPLEMENTED, 'not part of this fake'); };
    return {
      createSandbox: async (request, context) => {
        this.calls.push('createSandbox');
        this.created.sandboxes.push(request);
        await this.beforeCreateSandbox(context);
        const sandbox = this.addSandbox({ spec: request.spec ?? {}, createdAt: new Date() });
        return { sandbox, mode: { hypervisor: 'qemu', hypervisorVersion: '7.2', accelerator: 'tcg' }, phases: [{ name: 'vmm_launch', offset: { nanos: 1_000_000 }, duration: { nanos: 12_300_000 } }] };
      },
      deleteSandbox: async ({ sandboxId }) => {
        this.calls.push('deleteSandbox');
        this.sandboxes.delete(this.#sandbox(sandboxId).id);
        return {};
      },
      getSandboxStats: async ({ sandboxId }) => ({
        sandboxId: this.#sandbox(sandboxId).id, at: new Date(),
        processes: [{ role: 'vmm', pid: 7, cpu: { seconds: 2n }, rssBytes: 3n << 20n, pssBytes: 2n << 20n }],
        guestMemory: { usageBytes: 1n << 20n, limitBytes: 4n << 20n }, guestLoad1: 0.5,
      }),
      getSandbox: async ({ sandboxId }) => ({ sandbox: this.#sandbox(sandboxId) }),
      listSandboxes: async ({ pageToken }) => {
        // Pages of two, to see them followed.
        const all = [...this.sandboxes.values()];
        const from = Number(pageToken === '' ? 0 : pageToken);
        return { sandboxes: all.slice(from, from + 2), nextPageToken: from + 2 < all.length ? String(from + 2) : '' };
      },
      startSandbox: unused, stopSandbox: unused, pauseSandbox: unused, resumeSandbox: unused, waitSandbox: unused, updateSandbox: unused,
      console: (requests, context) => this.observers.console(requests, context),
    };
  }

  #containerService(): ContainerServiceImplementation {
    const unused = async (): Promise<never> => { throw new ServerError(Status.UNIMPLEMENTED, 'not part of this fake'); };
    const execProcess = (first: ExecRequest['message']): FakeProcess => this.#execProcess(first);
    const attachProcess = (first: AttachRequest['message']): FakeProcess => this.#attachProcess(first);
    const resumeOffsets = (first: ExecRequest['message'] | AttachRequest['message']): { stdout: bigint; stderr: bigint } | undefined => this.#resumeOffsets(first);
    const outputOf = (containerId: string): FakeProcess['output'] | undefined => this.processes.get(this.#container(containerId).id)?.output;
    return {
      createContainer: async (request) => {
        this.calls.push('createContainer');
        this.created.containers.push(request);
        this.beforeCreateContainer();
        const container = this.addContainer({ sandboxId: request.sandboxId, spec: request.spec ?? {}, state: ContainerState.CONTAINER_STATE_CREATED });
        return { container, phases: [{ name: 'rootfs', duration: { nanos: 5_000_000 } }] };
      },
      startContainer: async ({ containerId }) => {
        this.calls.push('startContainer');
        this.beforeStart();
        const container = this.#container(containerId);
        this.#startProcess(container.id, container.spec?.tty ?? false);
        return { container };
      },
      getContainerStats: async ({ containerId }) => ({
        containerId: this.#container(containerId).id, at: new Date(), pids: 3n,
        // Half a CPU, as time goes by.
        cpu: { total: { seconds: BigInt(Math.trunc(Date.now() / 2000)), nanos: Math.trunc((Date.now() % 2000) / 2) * 1_000_000 } }, memory: { usageBytes: 5n << 20n, limitBytes: 0n },
      }),
      deleteContainer: async ({ containerId }) => {
        this.calls.push('deleteContainer');
        this.containers.delete(this.#container(containerId).id);
        return {};
      },
      getContainer: async ({ containerId }) => ({ container: this.#container(containerId) }),
      listContainers: async ({ states }) => ({ containers: [...this.containers.values()].filter((container) => states.length === 0 || states.includes(container.state)) }),
      waitContainer: async ({ containerId }) => ({ exit: { code: await (this.processes.get(this.#container(containerId).id)?.exitCode ?? 0) } }),
      async *exec(requests: AsyncIterable<ExecRequest>) {
        const iterator = requests[Symbol.asyncIterator]();
        const first = ((await iterator.next()).value as ExecRequest).message;
        yield* execProcess(first).serve(iterator, resumeOffsets(first));
      },
      async *attach(requests: AsyncIterable<AttachRequest>) {
        const iterator = requests[Symbol.asyncIterator]();
        const first = ((await iterator.next()).value as AttachRequest).message;
        yield* attachProcess(first).serve(iterator, resumeOffsets(first));
      },
      stopContainer: unused, killContainer: unused, resizeContainerTty: unused, pauseContainer: unused, resumeContainer: unused,
      async *getContainerLogs({ containerId }) {
        const output = outputOf(containerId);
        for (const [stream, data] of [[1, output?.stdout], [2, output?.stderr]] as const) {
          let offset = 0n;
          for (const line of (data?.toString() ?? '').split(/(?<=\n)/).filter((text) => text !== '')) {
            yield { message: { $case: 'entry', value: { at: new Date(0), stream, offset, data: Buffer.from(line) } } };
            offset += BigInt(Buffer.byteLength(line));
          }
        }
      },
    };
  }

  #resumeOffsets(first: ExecRequest['message'] | AttachRequest['message']): { stdout: bigint; stderr: bigint } | undefined {
    if (first?.$case !== 'resume') return undefined;
    const offsets = first.value.offsets ?? { stdout: 0n, stderr: 0n };
    this.resumes.push(offsets);
    return offsets;
  }

  #execProcess(first: ExecRequest['message']): FakeProcess {
    if (first?.$case === 'resume') return this.#known(first.value.execId);
    if (first?.$case !== 'start') throw new ServerError(Status.INVALID_ARGUMENT, 'start or resume comes first');
    this.execStarts.push(first.value);
    this.#container(first.value.containerId);
    this.beforeStart();
    return this.#startProcess(`exec-${(this.#count += 1)}`, first.value.tty);
  }

  #attachProcess(first: AttachRequest['message']): FakeProcess {
    if (first?.$case === 'resume') return this.#known(first.value.containerId);
    if (first?.$case !== 'start') throw new ServerError(Status.INVALID_ARGUMENT, 'start or resume comes first');
    this.attachStarts.push(first.value);
    const container = this.#container(first.value.containerId);
    if (first.value.startContainer) this.beforeStart();
    return this.processes.get(container.id) ?? this.#startProcess(container.id, container.spec?.tty ?? false);
  }

  #known(id: string): FakeProcess {
    const process = this.processes.get(id);
    if (process === undefined) throw refused(Status.NOT_FOUND, 'EXEC_NOT_FOUND', `there is no process "${id}"`);
    return process;
  }

  #hostService(): HostServiceImplementation {
    return {
      getVersion: async () => ({ version: this.version, apiVersion: 'v1', nodeVersion: '20.20.2', pid: process.pid, startedAt: new Date(Date.now() - 90_000) }),
      getCapabilities: async () => ({}),
      runDoctor: async () => ({ usable: false, checks: [{ name: 'kvm', status: 3, found: 'no /dev/kvm', remedy: 'load the kvm module' }] }),
      explainVfio: async () => ({
        usable: true,
        checks: [{ name: 'iommu', status: 1, found: 'dmar0; 2 groups', remedy: '' }, { name: 'vfio-pci', status: 1, found: 'not loaded yet: the first device loads it', remedy: 'modprobe vfio-pci' }],
        groups: [
          { number: 3, usable: true, functions: [{ address: '0000:00:03.0', classCode: '0200', vendor: '1af4', device: '1041', driver: 'virtio-pci', express: true, numaNode: -1, barBytes: 20_480n }] },
          { number: 4, usable: false, reason: 'the host uses 0000:00:04.0: /dev/vdb is mounted on /data', remedy: 'let go of it', functions: [{ address: '0000:00:04.0', classCode: '0100', vendor: '1af4', device: '1042', driver: 'virtio-pci', use: '/dev/vdb is mounted on /data' }] },
        ],
      }),
      audit: async (request) => {
        this.audits.push(request);
        return this.auditReply;
      },
      listProfiles: async () => ({ profiles: [{ name: 'default', allowedOverrides: ['cpus', 'memory'] }] }),
      listImages: async () => ({ images: [{ name: 'busybox', command: ['sh'], sizeBytes: 1_048_576n }] }),
    };
  }
}
