import type { ContainerSpec, ExecSpec, RootfsSource } from '../model/sandbox-spec.ts';
import type { GuestStorage, OciSpec, ProcessSetup } from './agent.ts';
import type { ResolvedSource } from './storage.ts';

export interface ContainerTranslation {
  readonly spec: OciSpec;
  /** Entrypoint and arguments, as they will run. */
  readonly command: readonly string[];
  readonly stopSignal: string;
  readonly terminal: boolean;
}

/** Turns what a caller wants into what the guest's agent is told (OCI runtime-spec 1.0). Wrong input is INVALID_REQUEST with every field. */
export interface OciTranslator {
  resolve(source: RootfsSource): Promise<ResolvedSource>;
  /** Everything that can be judged before the root file system is mounted: unknown users are found here too. */
  container(request: { readonly containerId: string; readonly hostname: string; readonly spec: ContainerSpec; readonly source: ResolvedSource; /** The sandbox has DNS lines, so the agent keeps a resolv.conf to be mounted. */ readonly resolvConf?: boolean }): Promise<ContainerTranslation>;
  process(request: { readonly containerId: string; readonly execId: string; readonly hostname: string; readonly spec: ContainerSpec; readonly exec: ExecSpec; readonly source: ResolvedSource }): Promise<ProcessSetup>;
  storages(request: { readonly containerId: string }): readonly GuestStorage[];
}
