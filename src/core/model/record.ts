import type { ExitStatus, Cause, Condition, Mode, Phase } from './outcome.ts';
import type { ContainerRootfs } from './container-rootfs.ts';
import type { DeviceRecord } from './device-spec.ts';
import type { Profile } from './profile.ts';
import type { ContainerSpec, SandboxSpec } from './sandbox-spec.ts';
import type { Resource } from './ledger.ts';
import type { VmRef, VmSpec } from '../ports/hypervisor.ts';
import type { GuestInfo } from '../ports/agent.ts';

export type SandboxState = 'creating' | 'ready' | 'running' | 'paused' | 'stopping' | 'stopped' | 'failed' | 'deleting' | 'recovering';

export type ContainerState = 'creating' | 'created' | 'running' | 'paused' | 'stopping' | 'exited' | 'deleting' | 'unknown';

/** What is on disk of one container. */
export interface ContainerRecord {
  readonly id: string;
  readonly name: string;
  readonly spec: ContainerSpec;
  readonly state: ContainerState;
  readonly createdAtMs: number;
  readonly startedAtMs: number | undefined;
  readonly finishedAtMs: number | undefined;
  readonly exit: ExitStatus | undefined;
  readonly command: readonly string[];
  readonly image: string;
  readonly guestPid: number;
  /** It ran when its sandbox was stopped, so the sandbox's next start runs it again. */
  readonly resumeOnStart: boolean;
  readonly phases: readonly Phase[];
  /** Directory that its root file system starts from; of an image with several layers the topmost. */
  readonly lower: string;
  /** What lies below it, the topmost first. */
  readonly lowerLayers: readonly string[];
  /** Of the pulled or imported image that it started from; empty: none. */
  readonly imageId: string;
  readonly rootfs: ContainerRootfs;
  /** Where in its log the present life of its first process begins: a process's offsets start at 0, the log goes on. */
  readonly logBase: { readonly stdout: bigint; readonly stderr: bigint };
}

/** What is on disk of one sandbox: what it is, wants and owns. */
export interface SandboxRecord {
  readonly id: string;
  readonly name: string;
  readonly spec: SandboxSpec;
  /** The profile with the overrides in it, as it was at create. */
  readonly profile: Profile;
  readonly state: SandboxState;
  /** Grows with every step of the machine that changes what is on disk. */
  readonly epoch: number;
  readonly bootId: string;
  /** Since its VM booted it was RUNNING: paused and resumed, or found again, it is that and not READY. */
  readonly started: boolean | undefined;
  readonly createdAtMs: number;
  readonly readyAtMs: number | undefined;
  readonly finishedAtMs: number | undefined;
  readonly cause: Cause | undefined;
  readonly causeDetail: string;
  readonly consoleTail: string;
  readonly mode: Mode | undefined;
  readonly phases: readonly Phase[];
  readonly conditions: readonly Condition[];
  readonly vcpus: number;
  readonly memoryBytes: number;
  readonly vmSpec: VmSpec | undefined;
  readonly vm: VmRef | undefined;
  readonly guest: GuestInfo | undefined;
  /** Every resource of the plan under way or done, written before the first is made. */
  readonly resources: readonly Resource[];
  readonly containers: readonly ContainerRecord[];
  /** Plugged in while it runs, in the order of asking. */
  readonly devices: readonly DeviceRecord[];
}
