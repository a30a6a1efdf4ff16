import { existsSync, readdirSync, readFileSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { GracePeriod } from '../base/grace-period.ts';
import { GuestAgentConnector } from '../agents/connector.ts';
import { HealthWatch } from '../agents/health-watch.ts';
import { TokenStore } from '../agents/link/token-store.ts';
import type { InstanceId } from '../core/model/ids.ts';
import { launchEnvironment } from '../core/model/marks.ts';
import type { Cgroups } from '../core/ports/cgroups.ts';
import type { Clock } from '../core/ports/host.ts';
import type { HypervisorInfo } from '../core/ports/hypervisor.ts';
import type { Logger } from '../core/ports/telemetry.ts';
import { HostCgroups } from '../host/cgroups.ts';
import { SystemFiles } from '../host/files.ts';
import { readHostMemory } from '../host/host-memory.ts';
import { SystemIdSource } from '../host/id-source.ts';
import { startHelperProcess } from '../host/helper-process.ts';
import { HostCalls } from '../host/host-calls.ts';
import { LauncherClient } from '../host/launcher-client.ts';
import { readProcessUsage } from '../host/proc-usage.ts';
import { runFiles } from '../host/run-files.ts';
import { ProcessTable } from '../host/process-identity.ts';
import { SystemProcessRunner } from '../host/process-runner.ts';
import { besideTheService, ServiceNotifier } from '../host/service-manager.ts';
import type { ServiceManager } from '../host/service-manager.ts';
import type { PromMetrics } from '../host/prom-metrics.ts';
import { SystemClock } from '../host/system-clock.ts';
import { UnixDialer } from '../host/unix-dialer.ts';
import { QemuDriver } from '../hypervisors/qemu/driver.ts';
import { QemuProbe } from '../hypervisors/qemu/probe.ts';
import { BundleHooks } from '../storage/bundle-hooks.ts';
import { HookRunner } from '../storage/hooks.ts';
import { BindMounts } from '../storage/host-mounts.ts';
import { nodeLogFiles } from '../storage/log/log-files.ts';
import { RotatedLogStore } from '../storage/log/log-store.ts';
import { LayerLinks } from '../storage/layer-links.ts';
import { Mounter } from '../storage/mounter.ts';
import { OciTranslation } from '../storage/oci-translator.ts';
import { readUserFiles } from '../storage/rootfs-users.ts';
import { SourceResolver } from '../storage/source-resolver.ts';
import { StateDirectories } from '../storage/state-directories.ts';
import { nodeStorageFiles } from '../storage/storage-files.ts';
import { BackgroundTrash } from '../storage/trash.ts';
import { makeVolumeDirectories } from '../storage/volume-directories.ts';
import { VirtiofsdDriver } from '../storage/virtiofsd.ts';
import { DirectoryCheckpointStore } from '../store/checkpoint-store.ts';
import { FileEventJournal } from '../store/event-journal.ts';
import { FileRequestJournal } from '../store/request-journal.ts';
import { nodeStoreFiles } from '../store/store-files.ts';
import type { DaemonConfig } from './config.ts';
import { openImages, wireImages } from './image-wiring.ts';
import type { ImageDisk } from './image-wiring.ts';
import { wireDevices } from './device-wiring.ts';
import { wireVfio } from './vfio-wiring.ts';
import { armedFailpoints } from './failpoints.ts';
import { BuiltGuests } from './guest-source.ts';
import { wireHost } from './host-wiring.ts';
import { wireAudit } from './ledger-wiring.ts';
import { openVolumes, wireVolumes, type VolumeDisk } from './volume-wiring.ts';
import type { InstallPaths } from './install-paths.ts';
import { ProfileSet } from './profile-set.ts';
import { wireRootfs } from './rootfs-wiring.ts';
import { Admission } from './services/admission.ts';
import type { Audit } from './services/audit.ts';
import type { Images } from './services/image-operations.ts';
import { Containers } from './services/container-operations.ts';
import type { Deps } from './services/deps.ts';
import { Devices } from './services/device-operations.ts';
import { EventHub } from './services/event-hub.ts';
import { ExecLauncher } from './services/exec-launcher.ts';
import type { Services } from './services/facade.ts';
import { FreshIds } from './services/fresh-ids.ts';
import { autoMemoryBudget } from './services/memory-budget.ts';
import { Places } from './services/places.ts';
import { Recovery } from './services/recovery.ts';
import { Registry } from './services/registry.ts';
import { RequestBook } from './services/request-book.ts';
import { releaseVolumes } from './services/volume-releases.ts';
import { SandboxManager } from './services/sandbox-manager.ts';

const SEGMENT_BYTES = 16 * 1024 * 1024;

export interface WiringParts {
  readonly config: DaemonConfig;
  readonly install: InstallPaths;
  readonly instance: InstanceId;
  readonly serviceManager: ServiceManager | undefined;
  readonly logger: Logger;
  readonly metrics: PromMetrics;
  readonly startedAtMs: number;
}

export interface Wired {
  readonly services: Services;
  readonly requests: RequestBook;
  readonly manager: SandboxManager;
  readonly recovery: Recovery;
  readonly registry: Registry;
  readonly deps: Deps;
  readonly audit: Audit;
  readonly images: Images;
  readonly notifier: ServiceNotifier | undefined;
  /** Asks the VMM what it can do, so that the first create need not. */
  readonly warmUp: () => Promise<HypervisorInfo>;
  readonly close: () => Promise<void>;
}

/** The composition root: the one place that knows everybody. */
export async function wire(parts: WiringParts): Promise<Wired> {
  const { config } = parts;
  const host = wireBasics(parts);
  const storage = await wireStorage(parts, host);
  const profiles = ProfileSet.load(config.profileDir, { exists: existsSync, list: listDirectory, read: (path) => readFileSync(path, 'utf8') });
  const bootId = await host.processes.bootId();
  const journal = await openJournal(config, bootId);
  const requestJournal = await FileRequestJournal.open({ files: nodeStoreFiles(), directory: `${config.root}/requests`, clock: host.clock, logger: parts.logger, kept: config.requestsKept, ageMs: config.requestsAge });
  const registry = new Registry();
  const vfio = wireVfio({ root: config.root, files: new SystemFiles(), runner: host.runner, bootId, log: parts.logger });
  const volumes = wireVolumes(storage.volumeDisk, { clock: host.clock, ids: host.ids, log: parts.logger }, registry);
  const deps: Deps = {
    ...host,
    ...storage,
    volumes: volumes.ofContainers,
    resolving: new GracePeriod(),
    ids: new FreshIds(host.ids, () => [...registry.sandboxes, ...registry.containers].map(({ id }) => id)),
    log: parts.logger,
    metrics: parts.metrics,
    store: new DirectoryCheckpointStore(config.root, nodeStoreFiles()),
    hub: new EventHub(journal, parts.logger, parts.metrics),
    agents: new GuestAgentConnector({ dialer: host.dialer, clock: host.clock, ids: host.ids, tokens: new TokenStore(runFiles()), metrics: parts.metrics }),
    watchHealth: (agent, onChange) => new HealthWatch(agent, { clock: host.clock, intervalMs: config.healthInterval, onChange: (health) => { onChange(health.healthy ? undefined : health.error.message); } }),
    profiles,
    guests: new BuiltGuests(config.guestDir, { exists: async (path) => existsSync(path), list: async (path) => listDirectory(path) }),
    admission: wireAdmission(config, await readHostMemory(), host.clock),
    places: new Places(config.root, config.run, parts.instance),
    ...wireDevices(registry, vfio),
    cgroups: await wireCgroups(parts, host.clock),
    stopGraceMs: config.stopGrace,
    bootId,
    failpoints: armedFailpoints(process.env['VIVARIUM_FAILPOINTS'], host.clock, parts.logger),
  };
  const execs = new ExecLauncher(deps, registry);
  const containers: Containers = new Containers(deps, registry, execs, (id) => manager.delete(id, { force: true }, { requestId: '' }));
  const manager: SandboxManager = new SandboxManager(deps, registry, (unit, options) => containers.startAll(unit, options), (pid) => readProcessUsage(pid));
  const images = wireImages(config, storage.disk, { deps, registry });
  void releaseVolumes({ events: deps.hub, sweep: () => deps.volumes.sweep(), log: deps.log });
  const audit = wireAudit({ ...host, ...storage, deps, registry, manager, images, volumes: volumes.ledger, vfio, metrics: parts.metrics });
  const { hostOperations, guestOperations } = wireHost({ ...parts, deps, audit, registry, profiles, vfio, images: storage.disk.images, runner: host.runner });
  return {
    services: { sandboxes: manager, containers, devices: new Devices(registry), events: deps.hub, host: hostOperations, guests: guestOperations, images, volumes: volumes.operations },
    images,
    requests: new RequestBook({ journal: requestJournal, clock: deps.clock, ids: deps.ids, logger: parts.logger }),
    manager,
    recovery: new Recovery(deps, registry, containers, { concurrency: config.recoveryConcurrency }),
    registry,
    deps,
    audit,
    notifier: wireNotifier(parts, host),
    warmUp: () => host.hypervisor.probe(profiles.resolve('default', {}).hypervisorPath),
    close: () => closeAll([requestJournal, journal], host.helper),
  };
}

type Basics = Pick<Deps, 'clock' | 'ids' | 'launcher' | 'dialer' | 'hypervisor'> & { readonly processes: ProcessTable; readonly runner: SystemProcessRunner; readonly helper: HostCalls };

/** What touches the machine, and the VMM's driver on top of it. */
function wireBasics({ config, logger, metrics, instance, serviceManager }: WiringParts): Basics {
  const clock = new SystemClock();
  const dialer = new UnixDialer(clock);
  const files = new SystemFiles();
  const runner = new SystemProcessRunner();
  const processes = new ProcessTable();
  const { marks } = new Places(config.root, config.run, instance);
  const helper = new HostCalls({ start: () => startHelperProcess(config.launcher, besideTheService(serviceManager)), clock });
  const launcher = new LauncherClient({ helper, dialer, files, clock, processes, logger, environment: (directory) => launchEnvironment(marks, directory) });
  const probe = new QemuProbe({ runner, files, clock, logger, cacheDir: `${config.root}/cache` });
  const hypervisor = new QemuDriver({ launcher, taps: helper, dialer, clock, files, probe, logger, metrics });
  return { clock, ids: new SystemIdSource(), launcher, dialer, hypervisor, processes, runner, helper };
}

async function closeAll(journals: readonly { close: () => Promise<void> }[], helper: HostCalls): Promise<void> {
  for (const journal of journals) await journal.close();
  helper.close();
}

function wireAdmission(config: DaemonConfig, memory: Awaited<ReturnType<typeof readHostMemory>>, clock: Clock): Admission {
  const limits = {
    memoryBytes: config.admissionMemory === 'auto' ? autoMemoryBudget(memory.totalBytes, memory.availableBytes) : config.admissionMemory,
    maxSandboxes: config.admissionMaxSandboxes,
    bootConcurrency: config.admissionBootConcurrency === 'auto' ? Math.max(2, availableParallelism()) : config.admissionBootConcurrency,
    queueLength: config.admissionQueueLength,
    queueTimeoutMs: config.admissionQueueTimeout,
  };
  return new Admission(limits, clock);
}

function wireNotifier({ serviceManager: manager, logger }: WiringParts, { clock, helper }: Basics): ServiceNotifier | undefined {
  return manager === undefined ? undefined : new ServiceNotifier({ manager, send: (socket, pid, state) => helper.notify(socket, pid, state), pid: process.pid, clock, logger });
}

async function wireCgroups({ config, instance, logger }: WiringParts, clock: Clock): Promise<Cgroups> {
  const parts = { root: config.cgroupRoot, instance, clock, log: logger };
  return config.cgroups === 'none' ? HostCgroups.none(parts) : await HostCgroups.find(parts);
}

type Storage = Pick<Deps, 'shares' | 'rootfs' | 'imageDisks' | 'blankDisks' | 'mounts' | 'trash' | 'logs' | 'oci' | 'hooks' | 'directories'> & { readonly disk: ImageDisk; readonly volumeDisk: VolumeDisk; readonly mounter: Mounter };

async function wireStorage({ config, logger, instance }: WiringParts, { clock, runner, helper, ids, launcher }: Basics): Promise<Storage> {
  const files = nodeStorageFiles();
  const mounter = new Mounter({ calls: helper, clock, readMountInfo: () => fs.readFile('/proc/self/mountinfo', 'utf8') });
  const trash = new BackgroundTrash({ files, removal: helper, ids, logger });
  const { trashDir } = new Places(config.root, config.run, instance);
  const links = new LayerLinks(`${config.run}/lv`, files);
  const disk = await openImages(config, { files, trash, logger, trashDir });
  return {
    disk,
    volumeDisk: await openVolumes({ root: config.root, trashDir, files, trash, runner, mounter, links, logger }),
    mounter,
    trash,
    directories: new StateDirectories(mounter),
    shares: new VirtiofsdDriver({ launcher, runner, mounter, files, clock, readLimits: () => fs.readFile('/proc/self/limits', 'utf8') }),
    ...(await wireRootfs(config, { mounter, files, trash, runner, logger })),
    mounts: new BindMounts({ mounter, files, roots: config.bindRoots }),
    hooks: new BundleHooks(new HookRunner(runner)),
    oci: new OciTranslation({ sources: new SourceResolver(disk.images, files), readUserFiles, makeVolumes: makeVolumeDirectories }),
    logs: new RotatedLogStore(nodeLogFiles(), clock, { segmentBytes: config.logMaxSize, segments: config.logFiles }),
  };
}

/** So many segments that the events to be kept fit into all but the one that is written. */
async function openJournal(config: DaemonConfig, bootId: string): Promise<FileEventJournal> {
  const segments = 5;
  return await FileEventJournal.open({
    files: nodeStoreFiles(),
    directory: `${config.root}/events`,
    bootId,
    limits: { segmentBytes: SEGMENT_BYTES, segmentEvents: Math.ceil(config.eventsKept / (segments - 1)), segments },
  });
}

function listDirectory(path: string): readonly string[] {
  return existsSync(path) ? readdirSync(path) : [];
}
