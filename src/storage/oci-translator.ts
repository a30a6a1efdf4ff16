import type { ContainerSpec, ExecSpec, RootfsSource } from '../core/model/sandbox-spec.ts';
import type { GuestStorage, ProcessSetup } from '../core/ports/agent.ts';
import type { ContainerTranslation, OciTranslator } from '../core/ports/oci.ts';
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

  async resolve(source: RootfsSource): Promise<ResolvedSource> {
    return await this.#options.sources.resolve(source);
  }

  async container(request: ContainerRequest): Promise<ContainerTranslation> {
    const users = await this.#options.readUserFiles(request.source.lower);
    const spec = translate(request, users);
    const { image } = request.source;
    const stopSignal = request.spec.stopSignal === '' ? (image?.stopSignal ?? '') : request.spec.stopSignal;
    const withGuestFiles = (files: readonly string[]): OciRuntimeSpec => (files.length === 0 ? spec : translate(request, users, files));
    return { spec, withGuestFiles, command: spec.process.args, stopSignal: stopSignal === '' ? 'SIGTERM' : stopSignal, terminal: spec.process.terminal };
  }

  async process(request: ContainerRequest & { readonly execId: string; readonly exec: ExecSpec }): Promise<ProcessSetup> {
    const users = await this.#knownUsers(request.source);
    const spec = translate(request, users);
    return execSetup({ containerId: request.containerId, execId: request.execId, exec: request.exec, process: spec.process, users });
  }

  /** None: a container's root file system comes through its sandbox's share. */
  storages(): readonly GuestStorage[] {
    return [];
  }

  /** Read once for each source that was resolved: opening two files step by step takes longer than all else that an exec needs. */
  async #knownUsers(source: ResolvedSource): Promise<UserFiles> {
    const known = this.#users.get(source);
    if (known !== undefined) return known;
    const users = await this.#options.readUserFiles(source.lower);
    this.#users.set(source, users);
    return users;
  }
}

function translate(request: ContainerRequest, users: UserFiles, guestFiles: readonly string[] = []): OciRuntimeSpec {
  const { source } = request;
  return containerRuntimeSpec({
    containerId: request.containerId,
    spec: request.spec,
    hostname: request.hostname,
    guestFiles,
    image: source.image,
    bundleSpec: source.bundleSpec,
    users,
  });
}
