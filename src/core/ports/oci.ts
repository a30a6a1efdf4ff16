import type { ContainerSpec, ExecSpec, RootfsSource } from '../model/sandbox-spec.ts';
import type { GuestStorage, OciSpec, ProcessSetup } from './agent.ts';
import type { WaitOptions } from './host.ts';
import type { ResolvedSource } from './storage.ts';

export interface ContainerTranslation {
  readonly spec: OciSpec;
  /** The same with these files mounted, each at its own path: those that the guest's agent keeps for every container of its sandbox. */
  readonly withGuestFiles: (files: readonly string[]) => OciSpec;
  /** Entrypoint and arguments, as they will run. */
  readonly command: readonly string[];
  readonly stopSignal: string;
  readonly terminal: boolean;
}

/** When a bundle's hooks run on the host: container made and not started, started, deleted. */
export type HookMoment = 'beforeStart' | 'afterStart' | 'afterDelete';

export interface HookRunState {
  readonly containerId: string;
  /** What stands for the container on the host. 0: it does not run. */
  readonly vmmPid: number;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface HostHookRunner {
  /** INVALID_REQUEST or UNSUPPORTED for hooks that can't be run. */
  check(source: ResolvedSource): void;
  /** PROCESS_START_FAILED at the first hook that fails. */
  run(moment: HookMoment, source: ResolvedSource, state: HookRunState, options?: WaitOptions): Promise<void>;
}

/** Turns what a caller wants into what the guest's agent is told (OCI runtime-spec 1.0). Wrong input is INVALID_REQUEST with every field. */
export interface OciTranslator {
  resolve(source: RootfsSource): Promise<ResolvedSource>;
  /** Everything that can be judged before the root file system is mounted: unknown users are found here too. */
  container(request: { readonly containerId: string; readonly hostname: string; readonly spec: ContainerSpec; readonly source: ResolvedSource }): Promise<ContainerTranslation>;
  process(request: { readonly containerId: string; readonly execId: string; readonly hostname: string; readonly spec: ContainerSpec; readonly exec: ExecSpec; readonly source: ResolvedSource }): Promise<ProcessSetup>;
  storages(request: { readonly containerId: string }): readonly GuestStorage[];
}
