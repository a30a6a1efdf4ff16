import type { ContainerSpec, ExecSpec, RootfsSource } from '../core/model/sandbox-spec.ts';
import type { ContainerNode, GuestStorage, ProcessSetup } from '../core/ports/agent.ts';
import type { ContainerTranslation, GuestDiskRoot, OciTranslator } from '../core/ports/oci.ts';
import type { ImageVolume } from '../core/ports/rootfs-disks.ts';
import type { ResolvedSource } from '../core/ports/storage.ts';
import { containerRuntimeSpec } from './oci/container-spec.ts';
import { execSetup } from './oci/exec-setup.ts';
import type { OciRuntimeSpec } from './oci/runtime-spec.ts';
import type { UserFiles } from './oci/users.ts';
import type { SourceResolver } from './source-resolver.ts';

export interface OciTranslationOptions {
  readonly sources: SourceResolver;
  /** Reads passwd and group of a root file system; see rootfs-users.ts. */
  readonly readUserFiles: (rootfs: string) => Promise<UserFiles>;
  /** Makes directories below a mounted root file system; see volume-directories.ts. */
  readonly makeVolumes: (rootfs: string, volumes: readonly string[]) => Promise<readonly ImageVolume[]>;
}

interface ContainerRequest {
  readonly containerId: string;
  readonly hostname: string;
  readonly spec: ContainerSpec;
  readonly source: ResolvedSource;
}

/** The OciTranslator port: reads what the pure functions of oci/ need and calls them. */
export class OciTranslation implements OciTranslator {
  readonly #options: OciTranslationOptions;
  /** Of root file systems in which processes were started: below a running container they don't change. */
  readonly #users = new WeakMap<ResolvedSource, UserFiles>();

  constructor(options: OciTranslationOptions) {
    this.#options = options;
  }

  async resolve(source: RootfsSource, imageId = ''): Promise<ResolvedSource> {
    return await this.#options.sources.resolve(source, imageId);
  }

  async container(request: ContainerRequest): Promise<ContainerTranslation> {
    const [lower, ...below] = request.source.lowers;
    // Which of several layers has the last word on a file is the kernel's to say: it is asked when they are mounted.
    const users = lower === undefined || below.length > 0 ? undefined : await this.#options.readUserFiles(lower);
    const spec = translate(request, { users });
    const { image } = request.source;
    const stopSignal = request.spec.stopSignal === '' ? (image?.stopSignal ?? '') : request.spec.stopSignal;
    const forGuest: ContainerTranslation['forGuest'] = async (facts) => await this.#forGuest(request, { users, ...facts });
    return { spec, forGuest, command: spec.process.args, stopSignal: stopSignal === '' ? 'SIGTERM' : stopSignal, terminal: spec.process.terminal };
  }

  async process(request: ContainerRequest & { readonly execId: string; readonly exec: ExecSpec; readonly rootfs: string }): Promise<ProcessSetup> {
    const users = await this.#knownUsers(request);
    const spec = translate(request, { users });
    return execSetup({ containerId: request.containerId, execId: request.execId, exec: request.exec, process: spec.process, users });
  }

  /** None: a container's root file system comes through its sandbox's share. */
  storages(): readonly GuestStorage[] {
    return [];
  }

  async #forGuest(request: ContainerRequest, { users, files, rootfs, disk, nodes, ruled }: Parameters<ContainerTranslation['forGuest']>[0] & Pick<GuestFacts, 'users'>): Promise<OciRuntimeSpec> {
    if (rootfs === undefined) return translate(request, { users, files, nodes, ruled });
    const volumes = disk?.volumes ?? (await this.#options.makeVolumes(rootfs, request.source.image?.volumes ?? []));
    return translate(request, { users: users ?? (await this.#options.readUserFiles(rootfs)), files, volumes, disk, nodes, ruled });
  }

  /** Read once for each source that was resolved: opening two files step by step takes longer than all else that an exec needs. */
  async #knownUsers({ source, rootfs }: { readonly source: ResolvedSource; readonly rootfs: string }): Promise<UserFiles> {
    const known = this.#users.get(source);
    if (known !== undefined) return known;
    const [lower, ...below] = source.lowers;
    const users = await this.#options.readUserFiles(lower === undefined || below.length > 0 ? rootfs : lower);
    this.#users.set(source, users);
    return users;
  }
}

interface GuestFacts {
  /** Undefined: not known yet. */
  readonly users: UserFiles | undefined;
  readonly files?: readonly string[];
  readonly volumes?: readonly ImageVolume[];
  readonly disk?: GuestDiskRoot | undefined;
  readonly nodes?: readonly ContainerNode[];
  readonly ruled?: boolean;
}

function translate(request: ContainerRequest, { users, files = [], volumes = [], disk, nodes = [], ruled = false }: GuestFacts): OciRuntimeSpec {
  const { source } = request;
  return containerRuntimeSpec({
    containerId: request.containerId,
    spec: request.spec,
    hostname: request.hostname,
    guestFiles: files,
    volumes,
    nodes,
    ruled,
    root: disk?.root,
    image: source.image,
    bundleSpec: source.bundleSpec,
    users,
  });
}
