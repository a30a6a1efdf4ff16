import type { DeviceRecord, DeviceSpec } from '../../core/model/device-spec.ts';
import type { DomainEvent } from '../../core/model/events.ts';
import type { Cause, ExitStatus, Mode, Phase } from '../../core/model/outcome.ts';
import type { ContainerRecord, ContainerState, SandboxRecord, SandboxState } from '../../core/model/record.ts';
import type { ContainerSpec, ExecSpec, SandboxSpec, TtySize } from '../../core/model/sandbox-spec.ts';
import type { ContainerUsage } from '../../core/ports/agent.ts';
import type { VfioReport } from '../../core/model/vfio-spec.ts';
import type { WaitOptions } from '../../core/ports/host.ts';
import type { HypervisorInfo } from '../../core/ports/hypervisor.ts';
import type { LogEvent } from '../../core/ports/logs.ts';
import type { ImageConfig } from '../../core/ports/storage.ts';
import type { ImageOperations } from './image-facade.ts';
import type { VolumeOperations } from './volume-facade.ts';
import type { Attempt } from './request-book.ts';
import type { AuditReport, AuditRequest } from './audit.ts';

/**
 * What the services offer to the API, in the model's words. A `ref` is a full id, a short id, an unambiguous end of an id
 * (at least 4 digits) or a name. Everything rejects with DomainError.
 */
export interface MutateOptions extends WaitOptions {
  /** May be empty. */
  readonly requestId: string;
  /** Of a request with an id: what was written down before its work began. */
  readonly attempt?: Pick<Attempt, 'subject' | 'begunAtMs'> | undefined;
}

export interface Timed<T> {
  readonly value: T;
  readonly mode: Mode | undefined;
  readonly phases: readonly Phase[];
}

export interface ContainerView {
  readonly sandbox: SandboxRecord;
  readonly container: ContainerRecord;
  readonly logPath: string;
}

export interface Page<T> {
  readonly items: readonly T[];
  /** Empty: no more. */
  readonly nextToken: string;
}

export interface PageRequest {
  readonly size: number;
  readonly token: string;
}

export interface ProcessUsage {
  readonly role: string;
  readonly pid: number;
  readonly cpuMs: number;
  readonly rssBytes: number;
  readonly pssBytes: number;
}

export interface SandboxStats {
  readonly sandboxId: string;
  readonly atMs: number;
  readonly processes: readonly ProcessUsage[];
  /** Undefined when the guest can't be asked (paused, stopped, no agent). */
  readonly guest: { readonly memoryUsed: number; readonly memoryTotal: number; readonly load1: number; readonly cpuMs: number } | undefined;
}

export interface ConsoleSession extends Disposable {
  readonly output: AsyncIterable<Uint8Array>;
  write(data: Uint8Array): Promise<void>;
}

export interface SandboxOperations {
  create(spec: SandboxSpec, options: MutateOptions): Promise<Timed<SandboxRecord>>;
  start(ref: string, options: MutateOptions): Promise<Timed<SandboxRecord> & { readonly startedContainerIds: readonly string[] }>;
  stop(ref: string, how: { readonly force: boolean; readonly graceMs: number | undefined }, options: MutateOptions): Promise<Timed<SandboxRecord>>;
  /** `removeVolumes`: with those that were made for it and have no names. */
  delete(ref: string, how: { readonly force: boolean; readonly removeVolumes?: boolean }, options: MutateOptions): Promise<readonly Phase[]>;
  get(ref: string): SandboxRecord;
  /** Resolves when it is known what became of it while the daemon was away; at once for one that is not there. Rejects RECOVERING when that can't be known. */
  recovered(id: string, options: WaitOptions): Promise<void>;
  list(filter: { readonly labels: Readonly<Record<string, string>>; readonly states: readonly SandboxState[] }, page: PageRequest): Page<SandboxRecord>;
  pause(ref: string, options: MutateOptions): Promise<Timed<SandboxRecord>>;
  resume(ref: string, options: MutateOptions): Promise<Timed<SandboxRecord>>;
  /** Resolves when it is stopped, failed or deleted. */
  wait(ref: string, options: WaitOptions): Promise<{ readonly state: SandboxState | 'deleted'; readonly cause: Cause | undefined; readonly detail: string; readonly finishedAtMs: number | undefined }>;
  stats(ref: string, options: WaitOptions): Promise<SandboxStats>;
  updateLabels(ref: string, labels: Readonly<Record<string, string>>, options: MutateOptions): Promise<SandboxRecord>;
  console(ref: string, how: { readonly replay: boolean; readonly follow: boolean }, options: WaitOptions): Promise<ConsoleSession>;
}

export type StreamEvent =
  | { readonly kind: 'stdout' | 'stderr'; readonly offset: bigint; readonly data: Uint8Array }
  | { readonly kind: 'lost'; readonly stream: 'stdout' | 'stderr'; readonly from: bigint; readonly to: bigint }
  | { readonly kind: 'exit'; readonly exit: ExitStatus };

export interface Offsets {
  readonly stdout: bigint;
  readonly stderr: bigint;
}

/** A client's hold on the streams of one process. At most 1 MiB a stream beyond the acknowledged offset is handed out. */
export interface ProcessStream extends Disposable {
  /** Empty for a container's first process. */
  readonly execId: string;
  readonly containerId: string;
  readonly sandboxId: string;
  readonly tty: boolean;
  readonly offsets: Offsets;
  /** Stdin below this was taken. */
  readonly stdinOffset: bigint;
  readonly mode: Mode | undefined;
  readonly phases: readonly Phase[];
  /** One reader. Ends after `exit`. */
  readonly output: AsyncIterable<StreamEvent>;
  ack(offsets: Offsets): void;
  /** Resolves with the offset below which everything was taken. */
  writeStdin(offset: bigint, data: Uint8Array): Promise<bigint>;
  closeStdin(): Promise<void>;
  resize(size: TtySize): Promise<void>;
  signal(signal: string): Promise<void>;
}

export interface ResumeOptions extends WaitOptions {
  /** Of the exec, where the caller knows it: a daemon that has just come back waits for its guest alone then. */
  readonly containerRef?: string | undefined;
}

export interface ContainerOperations {
  create(sandboxRef: string, spec: ContainerSpec, options: MutateOptions): Promise<Timed<ContainerView>>;
  start(ref: string, options: MutateOptions): Promise<Timed<ContainerView>>;
  stop(ref: string, graceMs: number | undefined, options: MutateOptions): Promise<Timed<ContainerView>>;
  kill(ref: string, signal: string, all: boolean, options: MutateOptions): Promise<void>;
  /** `removeVolumes`: with those that were made for it and have no names. */
  delete(ref: string, how: { readonly force: boolean; readonly removeVolumes?: boolean }, options: MutateOptions): Promise<readonly Phase[]>;
  get(ref: string): ContainerView;
  list(filter: { readonly sandboxRef: string; readonly labels: Readonly<Record<string, string>>; readonly states: readonly ContainerState[] }, page: PageRequest): Page<ContainerView>;
  wait(ref: string, options: WaitOptions): Promise<ExitStatus>;
  pause(ref: string, options: MutateOptions): Promise<ContainerView>;
  resume(ref: string, options: MutateOptions): Promise<ContainerView>;
  stats(ref: string, options: WaitOptions): Promise<{ readonly containerId: string; readonly atMs: number; readonly usage: ContainerUsage }>;
  resizeTty(ref: string, execId: string, size: TtySize): Promise<void>;
  logs(ref: string, how: { readonly follow: boolean; readonly sinceMs: number | undefined; readonly tail: number | undefined; readonly from: Offsets | undefined }, options: WaitOptions): AsyncIterable<LogEvent>;
  exec(ref: string, spec: ExecSpec, options: MutateOptions): Promise<ProcessStream>;
  resumeExec(execId: string, offsets: Offsets, options: ResumeOptions): Promise<ProcessStream>;
  attach(ref: string, how: { readonly stdin: boolean; readonly replay: boolean; readonly from: Offsets | undefined; readonly start: boolean }, options: MutateOptions): Promise<ProcessStream>;
}

export interface DeviceView {
  readonly sandboxId: string;
  readonly device: DeviceRecord;
}

export interface DeviceOperations {
  /** Once VMM and guest both say that it is there. The same id and spec again find the first. */
  attach(sandboxRef: string, spec: DeviceSpec, options: MutateOptions): Promise<{ readonly device: DeviceView; readonly phases: readonly Phase[] }>;
  /** Once VMM and guest both say that it is gone. DEADLINE: it stays unplugging, and goes when the guest lets go of it. */
  detach(sandboxRef: string, deviceId: string, how: { readonly force: boolean }, options: MutateOptions): Promise<readonly Phase[]>;
  get(sandboxRef: string, deviceId: string): DeviceView;
  list(sandboxRef: string): { readonly devices: readonly DeviceView[]; readonly freeSlots: number };
}

export type WatchedEvent =
  | { readonly kind: 'event'; readonly cursor: string; readonly event: DomainEvent }
  | { readonly kind: 'lost'; readonly afterCursor: string; readonly nextCursor: string };

export interface EventOperations {
  /** `cursor` empty: from now on; "0": from the oldest kept. */
  watch(how: { readonly cursor: string; readonly follow: boolean }, options: WaitOptions): AsyncIterable<WatchedEvent>;
}

export interface DoctorCheck {
  readonly name: string;
  readonly status: 'ok' | 'warn' | 'fail';
  readonly found: string;
  readonly remedy: string;
}

export interface HostCapabilities {
  readonly hypervisors: readonly HypervisorInfo[];
  readonly agents: readonly string[];
  readonly rootfsKinds: readonly string[];
  readonly cgroups: 'v1' | 'v2' | 'hybrid' | 'none';
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly memoryAvailableBytes: number;
  readonly memoryAdmissibleBytes: number;
}

export interface ProfileView {
  readonly name: string;
  readonly path: string;
  readonly toml: string;
  readonly allowedOverrides: readonly string[];
}

export interface HostOperations {
  version(): { readonly version: string; readonly gitCommit: string; readonly nodeVersion: string; readonly instanceId: string; readonly startedAtMs: number; readonly pid: number };
  capabilities(options: WaitOptions): Promise<HostCapabilities>;
  doctor(options: WaitOptions): Promise<readonly DoctorCheck[]>;
  /** Which PCI devices can be passed on, and what is missing for it. */
  vfio(): Promise<VfioReport>;
  audit(request: AuditRequest, options: MutateOptions): Promise<AuditReport>;
  profiles(): readonly ProfileView[];
  images(): Promise<readonly ImageConfig[]>;
}

export interface GuestBuildSpec {
  readonly name: string;
  readonly kernel: string;
  readonly modules: readonly string[];
  readonly packages: readonly string[];
  readonly files: readonly { readonly source: string; readonly destination: string; readonly mode: number }[];
  readonly init: string;
}

export interface GuestView {
  readonly name: string;
  readonly directory: string;
  readonly digest: string;
  readonly kernelVersion: string;
  readonly agentVersion: string;
  readonly kernelBytes: number;
  readonly initramfsBytes: number;
  readonly builtAtMs: number;
}

export type GuestBuildEvent =
  | { readonly kind: 'progress'; readonly step: string; readonly detail: string; readonly done: number; readonly total: number }
  | { readonly kind: 'result'; readonly guest: GuestView; readonly upToDate: boolean };

export interface GuestOperations {
  build(spec: GuestBuildSpec, options: MutateOptions): AsyncIterable<GuestBuildEvent>;
  list(): Promise<readonly GuestView[]>;
}

/** Everything that the API serves. */
export interface Services {
  readonly sandboxes: SandboxOperations;
  readonly containers: ContainerOperations;
  readonly devices: DeviceOperations;
  readonly events: EventOperations;
  readonly host: HostOperations;
  readonly guests: GuestOperations;
  readonly images: ImageOperations;
  readonly volumes: VolumeOperations;
}
