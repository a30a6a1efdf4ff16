import type { DeviceKind } from '../../core/model/device-spec.ts';
import type { Profile } from '../../core/model/profile.ts';
import type { AgentConnector, GuestAgent } from '../../core/ports/agent.ts';
import type { Cgroups } from '../../core/ports/cgroups.ts';
import type { DeviceDriver, HostNodes, HotplugQueue } from '../../core/ports/device.ts';
import type { Clock, IdSource, Launcher, SocketDialer } from '../../core/ports/host.ts';
import type { Failpoints } from '../../core/ports/failpoints.ts';
import type { HypervisorDriver } from '../../core/ports/hypervisor.ts';
import type { LogStore } from '../../core/ports/logs.ts';
import type { HostHookRunner, OciTranslator } from '../../core/ports/oci.ts';
import type { BlankDisks, ImageDisks } from '../../core/ports/rootfs-disks.ts';
import type { HostMounts, RootfsDriver, ShareDriver, Trash } from '../../core/ports/storage.ts';
import type { CheckpointStore } from '../../core/ports/stores.ts';
import type { Logger, Metrics } from '../../core/ports/telemetry.ts';
import type { GracePeriod } from '../../base/grace-period.ts';
import type { Admission } from './admission.ts';
import type { ContainerVolumes } from './container-volumes.ts';
import type { DeviceUses } from './device-uses.ts';
import type { EventHub } from './event-hub.ts';
import type { Places } from './places.ts';

/** The few directory operations that the services need themselves. */
export interface Directories {
  /** Makes it and its parents, mode 0700; there already is fine. */
  make(path: string): Promise<void>;
  /** Removes it and all below it; missing is fine. Refuses to cross into another mount. */
  remove(path: string): Promise<void>;
}

export interface ProfileSource {
  /** PROFILE_NOT_FOUND, OVERRIDE_NOT_ALLOWED, INVALID_REQUEST. */
  resolve(name: string, overrides: Readonly<Record<string, string>>): Profile;
}

export interface GuestFiles {
  readonly kernel: string;
  readonly initrd: string;
}

export interface GuestSource {
  /** GUEST_NOT_FOUND, with what there is. */
  resolve(name: string): Promise<GuestFiles>;
}

/** Asks an agent regularly whether it is well; only tells. */
export interface HealthCheck {
  start(): void;
  rest(): void;
  stop(): void;
}

/** What every part of the services works with; made once, in wiring. */
export interface Deps {
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly store: CheckpointStore;
  readonly hub: EventHub;
  readonly hypervisor: HypervisorDriver;
  readonly launcher: Launcher;
  readonly dialer: SocketDialer;
  readonly agents: AgentConnector;
  /** `onChange` is called with what is wrong, and with undefined when all is well again. */
  readonly watchHealth: (agent: GuestAgent, onChange: (problem: string | undefined) => void) => HealthCheck;
  readonly shares: ShareDriver;
  readonly rootfs: RootfsDriver;
  readonly imageDisks: ImageDisks;
  readonly blankDisks: BlankDisks;
  readonly mounts: HostMounts;
  readonly volumes: ContainerVolumes;
  readonly trash: Trash;
  readonly logs: LogStore;
  readonly oci: OciTranslator;
  readonly hooks: HostHookRunner;
  /** Who is inside has resolved an image that no record holds yet. */
  readonly resolving: GracePeriod;
  readonly directories: Directories;
  /** By kind. */
  readonly devices: Readonly<Record<DeviceKind, DeviceDriver>>;
  readonly hostNodes: HostNodes;
  /** Which sandbox has which device of the host. */
  readonly uses: DeviceUses;
  /** One for each sandbox. */
  readonly hotplugQueue: () => HotplugQueue;
  readonly cgroups: Cgroups;
  readonly profiles: ProfileSource;
  readonly guests: GuestSource;
  readonly admission: Admission;
  readonly places: Places;
  /** Between SIGTERM and SIGKILL when a caller does not say. */
  readonly stopGraceMs: number;
  /** The host's boot id. */
  readonly bootId: string;
  /** Faults on command; undefined on any host that serves. */
  readonly failpoints: Failpoints | undefined;
}
