import { basename } from 'node:path';
import type { Ledger } from '../core/ports/ledger.ts';
import type { LedgerMetrics } from '../core/ports/telemetry.ts';
import { SystemFiles } from '../host/files.ts';
import { CgroupLedger } from '../host/ledger/cgroup-ledger.ts';
import { DirectoryLedger } from '../host/ledger/directory-ledger.ts';
import { instanceOfRun } from '../host/ledger/launch-instance.ts';
import { LauncherLedger } from '../host/ledger/launcher-ledger.ts';
import { LinkLedger } from '../host/ledger/link-ledger.ts';
import { NetnsLedger } from '../host/ledger/netns-ledger.ts';
import { holdersOf } from '../host/ledger/open-files.ts';
import { ProcessLedger } from '../host/ledger/process-ledger.ts';
import { ProcessScan } from '../host/ledger/process-scan.ts';
import { RunTree } from '../host/ledger/run-tree.ts';
import { SocketLedger } from '../host/ledger/socket-ledger.ts';
import type { ProcessTable } from '../host/process-identity.ts';
import type { ProcessRunner } from '../core/ports/host.ts';
import { MountLedger } from '../storage/mount-ledger.ts';
import type { Mounter } from '../storage/mounter.ts';
import { nodeStorageFiles } from '../storage/storage-files.ts';
import { TrashLedger } from '../storage/trash-ledger.ts';
import { ImageLedger } from '../storage/images/image-ledger.ts';
import { VolumeLedger, type VolumeLedgerParts } from '../storage/volumes/volume-ledger.ts';
import type { Images } from './services/image-operations.ts';
import { VfioLedger } from '../devices/vfio/vfio-ledger.ts';
import type { VfioWiring } from './vfio-wiring.ts';
import type { AuditedResource } from './services/audit-compare.ts';
import { Audit } from './services/audit.ts';
import { claimsOf } from './services/claims.ts';
import type { Deps } from './services/deps.ts';
import type { Registry } from './services/registry.ts';
import { retryFailed } from './services/retry-failed.ts';
import type { SandboxManager } from './services/sandbox-manager.ts';

export interface LedgerWiringParts {
  readonly deps: Deps;
  readonly registry: Registry;
  readonly manager: SandboxManager;
  readonly metrics: LedgerMetrics;
  readonly mounter: Mounter;
  readonly images: Pick<Images, 'inventory' | 'sweep'>;
  readonly volumes: VolumeLedgerParts;
  readonly runner: ProcessRunner;
  readonly processes: ProcessTable;
  readonly vfio: Pick<VfioWiring, 'marks' | 'binder'>;
}

/** One class a kind: a kind without its own does not compile. */
export function wireLedger({ deps, mounter, runner, processes, images, volumes, vfio }: Pick<LedgerWiringParts, 'deps' | 'mounter' | 'runner' | 'processes' | 'images' | 'volumes' | 'vfio'>): Ledger {
  const { places, directories, trash, clock } = deps;
  const { marks, instance, trashDir } = places;
  const tree = new RunTree(marks);
  const removeTree = (path: string): Promise<void> => directories.remove(path);
  const discard = async (path: string): Promise<void> => {
    await trash.discard(path, trashDir);
    trash.empty(trashDir);
  };
  return {
    process: new ProcessLedger({ scan: new ProcessScan(marks), processes, clock }),
    launcher: new LauncherLedger(tree, removeTree),
    socket: new SocketLedger(marks, tree),
    mount: new MountLedger(marks, mounter, holdersOf),
    link: new LinkLedger(instance, runner),
    netns: new NetnsLedger(instance, mounter),
    cgroup: new CgroupLedger(instance, deps.cgroups.root),
    vfio: new VfioLedger(vfio.marks, vfio.binder),
    directory: new DirectoryLedger({ marks, tree, removeTree, discard }),
    image: new ImageLedger({ inventory: () => images.inventory(), sweep: () => images.sweep() }),
    volume: new VolumeLedger(volumes),
    trash: new TrashLedger(trashDir, nodeStorageFiles(), trash),
  };
}

/** The audit of this daemon's host. */
export function wireAudit(parts: LedgerWiringParts): Audit {
  const { deps, registry, manager, metrics } = parts;
  const files = new SystemFiles();
  return new Audit({
    ledger: wireLedger(parts),
    clock: deps.clock,
    log: deps.log,
    metrics,
    instance: deps.places.instance,
    claims: () => claimsOf(registry),
    instanceOf: (owner) => instanceOfRun(deps.places.marks, owner, files),
    retryFailed: () => retryFailed(registry, manager, (id) => deps.places.stateDir(id)),
    announce: (removed) => announce(deps, removed),
  });
}

async function announce({ hub, clock, metrics }: Deps, { kind, name, sandboxId, containerId, detail, attributes }: AuditedResource): Promise<void> {
  const isVm = kind === 'process' && attributes['role'] === 'child' && basename(name) === 'vmm';
  if (isVm) metrics.ended('sandbox', 'REAPED');
  await hub.publish({ type: 'RESOURCE_REAPED', atMs: clock.wallMs(), sandboxId, containerId, name, message: detail, cause: 'REAPED', attributes: { kind, ...attributes } });
}
