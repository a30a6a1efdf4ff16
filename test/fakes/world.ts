import type { SandboxRecord } from '../../src/core/model/record.ts';
import type { DomainEvent } from '../../src/core/model/events.ts';
import type { AgentEvent, ContainerSetup, GuestAgent, GuestFeature, OutputEvent, ProcessKey, ProcessSetup } from '../../src/core/ports/agent.ts';
import type { Failpoints } from '../../src/core/ports/failpoints.ts';
import type { ProcessEnd } from '../../src/core/ports/host.ts';
import type { VmEvent, VmSession, VmSpec } from '../../src/core/ports/hypervisor.ts';
import type { ContainerLog } from '../../src/core/ports/logs.ts';
import { deferred, raceSignal } from '../../src/base/abort.ts';
import { GracePeriod } from '../../src/base/grace-period.ts';
import { DomainError } from '../../src/core/model/errors.ts';
import { parseInstanceId } from '../../src/core/model/ids.ts';
import { Admission } from '../../src/daemon/services/admission.ts';
import { Containers } from '../../src/daemon/services/container-operations.ts';
import type { Volumes } from '../../src/daemon/services/volume-operations.ts';
import type { Deps } from '../../src/daemon/services/deps.ts';
import { Devices } from '../../src/daemon/services/device-operations.ts';
import type { ImageConfig } from '../../src/core/ports/storage.ts';
import { EventHub } from '../../src/daemon/services/event-hub.ts';
import { ExecLauncher } from '../../src/daemon/services/exec-launcher.ts';
import { Places } from '../../src/daemon/services/places.ts';
import { Recovery } from '../../src/daemon/services/recovery.ts';
import { Registry } from '../../src/daemon/services/registry.ts';
import { SandboxManager } from '../../src/daemon/services/sandbox-manager.ts';
import { ManualClock } from './manual-clock.ts';
import { MemoryJournal, MemoryLog } from './memory-keepers.ts';
import { MemoryLogger } from './memory-logger.ts';
import { profile } from './records.ts';
import { deviceParts, FakeDevices } from './fake-devices.ts';
import { diskParts, FakeDisks } from './fake-disks.ts';
import { MemoryVolumes, volumeParts } from './memory-volumes.ts';
import { endedProcess, imageWith, memoryCgroups, SILENT, told, type FakeProcess } from './world-parts.ts';

const ENDED: ProcessEnd = { kind: 'signalled', code: 0, signal: 9, atMs: 0, stderrTail: '', cpuMs: 0, maxRssKib: 0 };
const ENCODER = new TextEncoder();

/** Everything outside the services, in memory: what exists on the "host" outlives the services, so a second set of them finds it again. */
export class World {
  readonly clock = new ManualClock();
  readonly logger = new MemoryLogger();
  readonly disk = new Map<string, SandboxRecord>();
  readonly vms = new Map<string, FakeVm>();
  readonly shares = new Set<string>();
  readonly volumes = new MemoryVolumes((name) => this.at(name));
  /** Resolve it to end the virtiofsds. */
  readonly shareEnd = deferred<ProcessEnd>();
  /** Control groups that there are, with how many of their processes the kernel killed for want of memory. */
  readonly cgroups = new Map<string, number>();
  cgroupRoot = '/cg';
  /** What launchers wrote down of processes that ended while nobody listened. */
  kept: ProcessEnd | undefined;
  readonly events: DomainEvent[] = [];
  /** Names of operations that fail next, with their error. */
  readonly failures = new Map<string, Error>();
  /** Names of operations that wait until let go. */
  readonly held = new Map<string, ReturnType<typeof deferred<undefined>>>();
  /** Records that are newer than what is on "disk", and what was counted as ended: `KIND CAUSE`. */
  unsaved = 0;
  /** What the agents of its guests say that they can do. */
  features: ReadonlySet<GuestFeature> = new Set(['names', 'devices', 'nodes', 'rules']);
  /** The containers that its guests were asked for. */
  readonly asked: ContainerSetup[] = [];
  readonly ended: string[] = [];
  /** Says of the last guest that was connected to whether it is well. */
  healthOf: ((problem: string | undefined) => void) | undefined;
  /** Of the image that every container starts from. */
  imageVolumes: readonly string[] = [];
  profile = profile();
  /** Which every name stands for. */
  image: ImageConfig | undefined;
  bootId = 'boot-1';
  failpoints: Failpoints | undefined;
  generation = 0;
  #ids = 0;

  hold(name: string): () => void {
    const gate = deferred<undefined>();
    this.held.set(name, gate);
    return () => {
      this.held.delete(name);
      gate.resolve(undefined);
    };
  }

  async at(name: string, signal?: AbortSignal): Promise<void> {
    const failure = this.failures.get(name);
    if (failure !== undefined) throw failure;
    const gate = this.held.get(name);
    if (gate === undefined) return;
    await new Promise<void>((resolve, reject) => {
      void gate.promise.then(() => { resolve(); });
      signal?.addEventListener('abort', () => { reject(signal.reason as Error); }, { once: true });
    });
  }

  nextId(): string {
    this.#ids += 1;
    return `0190f4a8b7c27def8a12${this.#ids.toString(16).padStart(12, '0')}`;
  }

  /** A daemon's services over this host. Those made before are as good as killed. */
  services(limits: Partial<ConstructorParameters<typeof Admission>[0]> = {}): TestServices {
    this.generation += 1;
    const registry = new Registry();
    const deps = this.#deps(limits, registry);
    const execs = new ExecLauncher(deps, registry);
    const containers: Containers = new Containers(deps, registry, execs, (id) => sandboxes.delete(id, { force: true }, { requestId: '' }));
    const sandboxes: SandboxManager = new SandboxManager(deps, registry, (unit, options) => containers.startAll(unit, options), async () => undefined);
    return { sandboxes, containers, devices: new Devices(registry), volumes: volumeParts(this, registry).operations, registry, recovery: new Recovery(deps, registry, containers, { concurrency: 16 }) };
  }

  #deps(limits: Partial<ConstructorParameters<typeof Admission>[0]>, registry: Registry): Deps {
    const instance = parseInstanceId('ab12');
    if (instance === undefined) throw new Error('bad instance');
    return {
      clock: this.clock,
      ids: { id: () => this.nextId(), random: (bytes) => new Uint8Array(bytes) },
      log: this.logger,
      metrics: { ...SILENT, unsaved: (change) => { this.unsaved += change; }, ended: (kind, cause) => { this.ended.push(`${kind} ${cause}`); } },
      store: {
        save: async (id, record) => {
          await this.at('save');
          this.disk.set(id, record);
        },
        remove: async (id) => { this.disk.delete(id); },
        loadAll: async () => ({ records: [...this.disk].map(([id, record]) => ({ id, record })), unreadable: [] }),
        directory: (id) => `/lib/${id}`,
      },
      hub: new EventHub(new MemoryJournal(this.events), this.logger, SILENT),
      hypervisor: {
        name: 'qemu',
        probe: async () => { throw new Error('not asked in these tests'); },
        launch: async (spec, options) => {
          await this.at('launch', options.signal);
          const vm = new FakeVm(spec, this);
          this.vms.set(spec.runDir, vm);
          return vm.session();
        },
        adopt: async (ref) => this.vms.get(ref.runDir)?.alive === true ? this.vms.get(ref.runDir)?.session() : undefined,
      },
      launcher: { start: async () => { throw new Error('not asked in these tests'); }, adopt: async () => this.kept === undefined ? undefined : endedProcess(this.kept) },
      dialer: { dial: async () => { throw new Error('not asked in these tests'); } },
      agents: {
        connect: async (target, options) => {
          await this.at('agent', options.signal);
          const vm = this.vms.get(target.socketPath.replace(/\/agent\.sock$/, ''));
          if (vm?.alive !== true) throw new DomainError('AGENT_UNREACHABLE', 'no VM');
          return vm.agent(this);
        },
      },
      watchHealth: (_agent, onChange) => {
        this.healthOf = onChange;
        return { start: () => undefined, rest: () => undefined, stop: () => undefined };
      },
      shares: {
        start: async (place, options) => {
          await this.at('share', options?.signal);
          this.shares.add(place.runDir);
          return { socketPath: `${place.runDir}/fs.sock`, tag: 'kataShared', directory: `${place.runDir}/shared`, pid: 2, launcherPid: 1, ended: this.shareEnd.promise, stop: async () => undefined, release: () => undefined };
        },
        adopt: async (place) => this.shares.has(place.runDir) ? { socketPath: `${place.runDir}/fs.sock`, tag: 'kataShared', directory: `${place.runDir}/shared`, pid: 2, launcherPid: 1, ended: new Promise(() => undefined), stop: async () => undefined, release: () => undefined } : undefined,
        remove: async (place) => {
          await this.at('share-remove');
          this.shares.delete(place.runDir);
        },
      },
      rootfs: {
        prepare: async (place) => {
          await this.at('rootfs');
          return { kind: 'virtiofs', hostPath: `${place.shareDir}/${place.containerId}/rootfs`, guestPath: `${place.containerId}/rootfs` };
        },
        remove: async () => undefined,
      },
      ...diskParts(this),
      mounts: { resolve: async () => [], prepare: async () => { await this.at('mounts'); }, remove: async () => undefined },
      volumes: volumeParts(this, registry).ofContainers,
      trash: { discard: async () => undefined, empty: () => undefined, settled: async () => undefined },
      logs: { open: async (directory) => this.#log(directory) },
      oci: {
        resolve: async (source) => ({ source, lowers: ['/image'], image: source.kind === 'image' ? (this.imageVolumes.length === 0 ? this.image : imageWith(this.imageVolumes)) : undefined, bundleSpec: undefined }),
        container: async ({ spec }) => ({ spec: {}, forGuest: async ({ files }) => ({ mounts: files }), command: spec.args, stopSignal: 'SIGTERM', terminal: spec.tty }),
        process: async ({ containerId, execId, exec }) => ({ containerId, execId, args: exec.command, env: [], cwd: '/', terminal: exec.tty, uid: 0, gid: 0, additionalGids: [], capabilities: [], noNewPrivileges: false, rlimits: [] }),
        storages: () => [],
      },
      resolving: new GracePeriod(),
      hooks: { check: () => undefined, run: async () => undefined },
      ...deviceParts(this, () => registry.sandboxes.map(({ record }) => record)),
      cgroups: memoryCgroups(this),
      directories: { make: async () => undefined, remove: async () => { await this.at('remove'); } },
      profiles: { resolve: () => this.profile },
      guests: { resolve: async () => ({ kernel: '/vmlinux', initrd: '/initrd' }) },
      admission: new Admission({ memoryBytes: 4 * 256 * 1024 * 1024, maxSandboxes: 100, bootConcurrency: 4, queueLength: 10, queueTimeoutMs: 1000, ...limits }, this.clock),
      places: new Places('/lib', '/run', instance),
      stopGraceMs: 10_000,
      bootId: this.bootId,
      failpoints: this.failpoints,
    };
  }

  readonly #logs = new Map<string, MemoryLog>();

  #log(directory: string): ContainerLog {
    const log = this.#logs.get(directory) ?? new MemoryLog(directory);
    log.finished = false;
    this.#logs.set(directory, log);
    return log;
  }
}

export interface TestServices {
  readonly sandboxes: SandboxManager;
  readonly containers: Containers;
  readonly devices: Devices;
  readonly volumes: Volumes;
  readonly registry: Registry;
  readonly recovery: Recovery;
}

/** A VM and what runs in it. */
export class FakeVm {
  readonly spec: VmSpec;
  alive = true;
  paused = false;
  /** Ignored by the processes; SIGKILL never is. */
  readonly ignored = new Set<number>();
  readonly processes = new Map<string, FakeProcess>();
  readonly devices: FakeDevices;
  readonly disks: FakeDisks;
  readonly #ended = deferred<ProcessEnd>();
  #listener: (event: VmEvent) => void = () => undefined;

  constructor(spec: VmSpec, world: Pick<World, 'at'>) {
    this.spec = spec;
    this.disks = new FakeDisks(world);
    this.devices = new FakeDevices(world, this.#ended.promise, (event) => { this.tell(event); });
  }

  end(end: ProcessEnd = ENDED): void {
    this.alive = false;
    this.#ended.resolve(end);
  }

  tell(event: VmEvent): void {
    this.#listener(event);
  }

  /** The process writes, or ends. */
  act(containerId: string, change: { write?: string; exit?: number; oomKilled?: boolean; execId?: string }): void {
    const process = this.processes.get(`${containerId}/${change.execId ?? ''}`);
    if (process === undefined) throw new Error(`no process in ${containerId}`);
    process.output += change.write ?? '';
    process.status ??= change.exit;
    process.oomKilled ||= change.oomKilled === true;
    const { changed } = process;
    process.changed = deferred<undefined>();
    changed.resolve(undefined);
  }

  /** A stream of a VM that ends breaks off. */
  async *#lost(events: AsyncIterable<OutputEvent>): AsyncIterable<OutputEvent> {
    const ended = this.#ended.promise.then((): never => { throw new DomainError('AGENT_UNREACHABLE', 'link lost'); });
    ended.catch(() => undefined);
    const iterator = events[Symbol.asyncIterator]();
    for (;;) {
      const next = await Promise.race([iterator.next(), ended]);
      if (next.done === true) return;
      yield next.value;
    }
  }

  session(): VmSession {
    const kill = async (): Promise<ProcessEnd> => {
      if (this.alive) this.end();
      return await this.#ended.promise;
    };
    return {
      launcherPid: 41,
      ref: { driver: 'qemu', runDir: this.spec.runDir, process: { pid: 42, startTime: '1', bootId: 'boot-1' }, argv: [] },
      mode: { hypervisor: 'qemu', hypervisorVersion: '7.2.22', accelerator: 'tcg', acceleratorReason: '', machine: 'q35', transport: 'virtio-serial' },
      agentSocket: `${this.spec.runDir}/agent.sock`,
      consoleSocket: '',
      consoleFiles: [],
      devices: this.devices,
      disks: this.disks,
      ended: this.#ended.promise,
      onEvent: (listener) => { this.#listener = listener; },
      status: async () => (this.paused ? 'paused' : 'running'),
      pause: async () => { this.paused = true; },
      resume: async () => { this.paused = false; },
      powerDown: async () => undefined,
      kill,
      consoleTail: async () => 'last words\n',
      release: () => undefined,
    };
  }

  agent(world: World): GuestAgent {
    const { generation } = world;
    let tell: (event: AgentEvent) => void = () => undefined;
    const find = (key: ProcessKey): FakeProcess => {
      const process = this.processes.get(`${key.containerId}/${key.execId ?? ''}`);
      if (process === undefined) throw new DomainError('AGENT_REFUSED', 'no such process');
      return process;
    };
    const add = (key: ProcessKey, started: boolean): void => {
      this.processes.set(`${key.containerId}/${key.execId ?? ''}`, { key, started, paused: false, output: '', status: undefined, oomKilled: false, acked: 0n, stdin: '', changed: deferred<undefined>() });
    };
    return {
      kind: 'viv-agent',
      onEvent: (listener) => {
        tell = listener;
        void this.#ended.promise.then(() => { listener({ kind: 'lost', error: new Error('link lost') }); });
      },
      check: async () => undefined,
      info: async () => ({ agentVersion: '1', kernelRelease: '6.1', bootId: 'guest-boot', memoryBytes: 1, cpus: 1 }),
      features: async () => world.features,
      createSandbox: async () => world.at('guest'),
      destroySandbox: async () => undefined,
      createContainer: async (setup: ContainerSetup) => {
        await world.at('agent-create');
        world.asked.push(setup);
        add({ containerId: setup.containerId, execId: undefined }, false);
        tell({ kind: 'created', containerId: setup.containerId, pid: 7 });
      },
      startContainer: async (id) => {
        await world.at('agent-start');
        find({ containerId: id, execId: undefined }).started = true;
      },
      removeContainer: async (id) => { this.processes.delete(`${id}/`); },
      exec: async (setup: ProcessSetup) => {
        await world.at('agent-exec');
        add({ containerId: setup.containerId, execId: setup.execId }, true);
      },
      signal: async (key, signal) => {
        find(key);
        if (!this.ignored.has(signal)) this.act(key.containerId, { exit: 128 + signal, ...(key.execId === undefined ? {} : { execId: key.execId }) });
      },
      pauseContainer: async (id) => { find({ containerId: id, execId: undefined }).paused = true; },
      resumeContainer: async (id) => { find({ containerId: id, execId: undefined }).paused = false; },
      usage: async () => { throw new Error('not asked in these tests'); },
      resizeTty: async () => undefined,
      metrics: async () => '',
      setTime: async () => undefined,
      reseed: async () => undefined,
      processes: async () => {
        await world.at('agent-processes');
        return [...this.processes.values()].map((process) => told(process));
      },
      rest: () => undefined,
      awaitDevice: async (place, options) => {
        await world.at('await-device');
        return await this.devices.seen(place, options?.signal);
      },
      awaitFunction: async (place, options) => {
        await world.at('await-device');
        return { pciAddress: (await this.devices.seen(place, options?.signal)).pciAddress, driver: 'igb', nodes: ['/dev/vdz'], interfaces: ['eth1'] };
      },
      releaseDevice: async () => world.at('release-device'),
      awaitDeviceGone: async (place, options) => {
        await world.at('await-gone');
        await this.devices.gone(place, options?.signal);
      },
      output: (key, from, options) => this.#lost(outputOf(find(key), from.stdout, options?.signal, () => world.generation === generation)),
      ack: (key, offsets) => { find(key).acked = offsets.stdout; },
      writeStdin: async (key, offset, data) => {
        find(key).stdin += new TextDecoder().decode(data);
        return offset + BigInt(data.length);
      },
      close: () => undefined,
    };
  }
}

/** What a daemon that was killed would have got, nobody gets. */
async function* outputOf(process: FakeProcess, from: bigint, signal: AbortSignal | undefined, alive: () => boolean): AsyncIterable<OutputEvent> {
  let at = Number(from);
  for (;;) {
    const changed = process.changed.promise;
    if (!alive()) await new Promise(() => undefined);
    if (process.output.length > at) {
      const data = ENCODER.encode(process.output.slice(at));
      yield { kind: 'stdout', offset: BigInt(at), data };
      at += data.length;
      continue;
    }
    if (process.status !== undefined) {
      yield { kind: 'exit', exit: { status: process.status, atMs: 5, oomKilled: process.oomKilled } };
      return;
    }
    await raceSignal(changed, signal);
  }
}
