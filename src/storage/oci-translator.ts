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
  readonly resolvConf?: boolean;
}

/** The OciTranslator port: reads what the pure functions of oci/ need and calls them. */
export class OciTranslation implements OciTranslator {
  readonly #options: OciTranslationOptions;

  constructor(options: OciTranslationOptions) {
    this.#options = options;
  }

  async resolve(source: RootfsSource): Promise<ResolvedSource> {
    return await this.#options.sources.resolve(source);
  }

  async container(request: ContainerRequest): Promise<ContainerTranslation> {
    const { spec } = await this.#translate(request);
    const { image } = request.source;
    const stopSignal = request.spec.stopSignal === '' ? (image?.stopSignal ?? '') : request.spec.stopSignal;
    return { spec, command: spec.process.args, stopSignal: stopSignal === '' ? 'SIGTERM' : stopSignal, terminal: spec.process.terminal };
  }

  async process(request: ContainerRequest & { readonly execId: string; readonly exec: ExecSpec }): Promise<ProcessSetup> {
    const { spec, users } = await this.#translate(request);
    return execSetup({ containerId: request.containerId, execId: request.execId, exec: request.exec, process: spec.process, users });
  }

  /** None: a container's root file system comes through its sandbox's share. */
  storages(): readonly GuestStorage[] {
    return [];
  }

  async #translate(request: ContainerRequest): Promise<{ spec: OciRuntimeSpec; users: UserFiles }> {
    const { source } = request;
    const users = await this.#options.readUserFiles(source.lower);
    const spec = containerRuntimeSpec({
      containerId: request.containerId,
      spec: request.spec,
      hostname: request.hostname,
      resolvConf: request.resolvConf === true,
      image: source.image,
      bundleSpec: source.bundleSpec,
      users,
    });
    return { spec, users };
  }
}
