import type { ContainerSpec, ExecSpec, RootfsSource } from '../model/sandbox-spec.ts';
import type { ContainerNode, GuestStorage, OciSpec, ProcessSetup } from './agent.ts';
import type { WaitOptions } from './host.ts';
import type { ImageVolume } from './rootfs-disks.ts';
import type { ResolvedSource } from './storage.ts';

/** A root file system that the guest assembles of disks. */
export interface GuestDiskRoot {
  /** In the guest. */
  readonly root: string;
  readonly volumes: readonly ImageVolume[];
}

export interface ContainerTranslation {
  readonly spec: OciSpec;
  /**
   * As the agent gets it, once the root file system is mounted at `rootfs` on the host (undefined: it is not). `files` are mounted, each at its own
   * path: those that the agent keeps for every container of its sandbox. `nodes` are devices of its own; `ruled`: the guest enforces who may open which. With `disk` there is nothing to be made on the
   * host, and `rootfs` has no more than etc/passwd and etc/group. INVALID_REQUEST for a user that the image does not have.
   */
  readonly forGuest: (facts: { readonly files: readonly string[]; readonly rootfs: string | undefined; readonly disk?: GuestDiskRoot | undefined; readonly nodes: readonly ContainerNode[]; readonly ruled: boolean }) => Promise<OciSpec>;
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
  /** `imageId`: of the image that a container of this source has started from, whatever has its name now; empty: none. */
  resolve(source: RootfsSource, imageId?: string): Promise<ResolvedSource>;
  /** Everything that can be judged before the root file system is mounted: unknown users of a single directory are found here too. */
  container(request: { readonly containerId: string; readonly hostname: string; readonly spec: ContainerSpec; readonly source: ResolvedSource }): Promise<ContainerTranslation>;
  /** `rootfs`: where the host has the container's root file system mounted. */
  process(request: { readonly containerId: string; readonly execId: string; readonly hostname: string; readonly spec: ContainerSpec; readonly exec: ExecSpec; readonly source: ResolvedSource; readonly rootfs: string }): Promise<ProcessSetup>;
  storages(request: { readonly containerId: string }): readonly GuestStorage[];
}
