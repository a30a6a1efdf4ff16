import type { ProcessIdentity } from '../model/ledger.ts';

export interface WaitOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface Clock {
  /** Milliseconds since the epoch. */
  wallMs(): number;
  /** Milliseconds on a clock that never jumps. */
  monotonicMs(): number;
  /** Resolves after that time; rejects with the signal's reason when it is aborted. */
  sleep(ms: number, options?: WaitOptions): Promise<void>;
  /** Calls back once after that time unless disposed before. Does not keep the process alive. */
  timer(ms: number, callback: () => void): Disposable;
}

export interface IdSource {
  /** A version 7 UUID as 32 hex digits. */
  id(): string;
  /** Random bytes from the kernel. */
  random(bytes: number): Uint8Array;
}

export interface RunResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs short-lived helpers. */
export interface ProcessRunner {
  /** Rejects with HOST_RESOURCE when it could not be started, DEADLINE when it took too long; a non-zero code is a result. */
  run(command: string, args: readonly string[], options: { timeoutMs: number; signal?: AbortSignal | undefined; input?: string; env?: Readonly<Record<string, string>>; cwd?: string }): Promise<RunResult>;
}

/** A system call that failed. */
export interface CallFailure {
  /** `EBUSY` */
  readonly errno: string;
  readonly path: string;
  /** The kernel's words. */
  readonly message: string;
}

export type MountFlag = 'bind' | 'nodev' | 'noexec' | 'nosuid' | 'private' | 'rec' | 'remount' | 'ro' | 'shared' | 'slave';

/** One mount(2). */
export interface MountCall {
  readonly source?: string;
  readonly target: string;
  readonly fsType?: string;
  readonly flags?: readonly MountFlag[];
  readonly data?: string;
}

/** One bind of a directory or a file that is not ours. */
export interface BindCall {
  /** Real path: no link is followed. */
  readonly source: string;
  /** Below the source: links in it are followed, and none leads out (RESOLVE_BENEATH). Absent or empty: the source itself. */
  readonly subPath?: string;
  readonly target: string;
  /** Held by every mount that a recursive bind brings along, and by every copy that peers make. */
  readonly attributes: readonly ('ro' | 'nosuid' | 'nodev' | 'noexec')[];
  readonly propagation: 'private' | 'slave';
  readonly recursive: boolean;
}

/** Mounts by system call. All reject DEADLINE, the signal's reason, or HOST_RESOURCE when nobody could be asked; what was done by then stays. */
/** A tap device, and what the VMM makes of it. */
export interface TapCall {
  /** Of the network namespace that it is to be in. */
  readonly netns: string;
  readonly name: string;
  readonly queues: number;
  /** Path of the VMM's monitor for descriptors. */
  readonly monitor: string;
  /** What netdev_add takes, without descriptors. */
  readonly netdev: Readonly<Record<string, unknown>>;
}

export interface TapCalls {
  /** A failed system call is a result. Rejects VMM_FAILED with the VMM's words, HOST_RESOURCE when nobody could be asked. */
  tap(call: TapCall, options?: WaitOptions): Promise<CallFailure | undefined>;
}

export interface MountCalls {
  /** One after the other, up to the first that fails: that one's failure. */
  mount(calls: readonly MountCall[], options?: WaitOptions): Promise<CallFailure | undefined>;
  /** The same; the mount point is made when it is missing. */
  bind(calls: readonly BindCall[], options?: WaitOptions): Promise<CallFailure | undefined>;
  /** The same, never lazily and never through a link. What is no mount is passed over. */
  unmount(targets: readonly string[], options?: WaitOptions): Promise<CallFailure | undefined>;
}

export interface TreeRemoval {
  /** Each path with all in it, never through a link or into another mount; missing is fine. Goes on after a failure and tells the first. Rejects as MountCalls. */
  removeTrees(paths: readonly string[], options?: WaitOptions): Promise<CallFailure | undefined>;
}

/** One connected byte stream. */
export interface ByteStream {
  /** Bytes as they come; one listener, set once, right after connecting. Bytes before that are kept. */
  onData(listener: (chunk: Uint8Array) => void): void;
  /** Once, when the stream has ended for any reason. */
  onClose(listener: (error: Error | undefined) => void): void;
  /** Returns false when the caller should wait for `drained`. The chunks go out in order, as few writes as possible. */
  write(chunks: readonly Uint8Array[]): boolean;
  /** Resolves when the buffer has room again or the stream is closed. */
  drained(): Promise<void>;
  /** Stop or go on reading: back-pressure to the peer. */
  pause(): void;
  resume(): void;
  close(): void;
}

export interface SocketDialer {
  /**
   * Connects to a Unix socket, again and again while the file is missing or refuses, for at most `deadlineMs` milliseconds from now
   * (0: one attempt).
   * Rejects: DEADLINE, the signal's reason, HOST_RESOURCE for a path over 107 bytes.
   */
  dial(path: string, options: { deadlineMs: number; signal?: AbortSignal | undefined }): Promise<ByteStream>;
}

/** What tells one version of a file from another without reading it. */
export interface FileIdentity {
  /** After every symbolic link. */
  readonly realPath: string;
  readonly device: number;
  readonly inode: number;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
}

/** Small whole files. All reject HOST_RESOURCE (STORAGE_FULL when the disk is) with the path in the message. */
export interface Files {
  /** The whole file; undefined when there is none. Rejects when it is larger than the cap. */
  read(path: string, maxBytes: number): Promise<Uint8Array | undefined>;
  /** The last bytes of a file; empty when there is none. */
  tail(path: string, bytes: number): Promise<Uint8Array>;
  /** The new content or the old one, never a part, also after a power loss: write, fsync, rename, fsync of the directory. */
  publish(path: string, content: Uint8Array | string, options?: { readonly mode?: number }): Promise<void>;
  /** Writes without a promise for the case of a power loss. */
  write(path: string, content: Uint8Array | string, options?: { readonly mode?: number }): Promise<void>;
  /** With its parents; no error when it is there. */
  makeDirectory(path: string, options?: { readonly mode?: number }): Promise<void>;
  /** No error when it is not there. */
  remove(path: string): Promise<void>;
  identify(path: string): Promise<FileIdentity | undefined>;
}

/** What spec.json of docs/protocols/launcher.md says. */
export interface LaunchSpec {
  readonly name: string;
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly uid?: number;
  readonly gid?: number;
  readonly groups?: readonly number[];
  readonly keepCapabilities?: readonly string[];
  readonly noNewPrivs?: boolean;
  readonly namespaces?: readonly { readonly type: string; readonly path?: string }[];
  /** `cgroup.procs` files that the process writes itself to. */
  readonly cgroups?: readonly string[];
  readonly fds?: readonly { readonly name: string; readonly kind: 'unix_listen' | 'open'; readonly path: string; readonly mode?: number; readonly flags?: string }[];
  readonly console?: boolean;
  /** Soft and hard limit alike; a host that grants less is no reason not to start. */
  readonly rlimits?: Readonly<Record<string, number>>;
  readonly oomScoreAdj?: number;
  readonly ringBytes?: number;
}

/** How a supervised process ended. `unknown` when its launcher died before it could tell. */
export interface ProcessEnd {
  readonly kind: 'exited' | 'signalled' | 'unknown';
  readonly code: number;
  readonly signal: number;
  readonly atMs: number;
  readonly stderrTail: string;
  readonly cpuMs: number;
  readonly maxRssKib: number;
}

/** A living (or just ended) process under a launcher. Dropping it ends nothing. */
export interface SupervisedProcess {
  readonly identity: ProcessIdentity;
  readonly launcherPid: number;
  readonly directory: string;
  /** Resolves once, never rejects. */
  readonly ended: Promise<ProcessEnd>;
  /** Undefined while it runs. */
  readonly end: ProcessEnd | undefined;
  /** Through the launcher's pidfd; no-op once it ended. */
  signal(signal: number): Promise<void>;
  /** The last bytes of its stderr, or of its console. */
  tail(which: 'stderr' | 'console', bytes: number): Promise<string>;
  /** Lets go of it without ending it. */
  release(): void;
}

/** Starts and finds again long-lived processes (docs/protocols/launcher.md). */
export interface Launcher {
  /** Idempotent by directory: a second start answers the living process. Rejects VMM_FAILED or HOST_RESOURCE with the launcher's words. */
  start(directory: string, spec: LaunchSpec, options?: WaitOptions): Promise<SupervisedProcess>;
  /** The process that a directory stands for: living, ended with its record, or undefined when there never was one. */
  adopt(directory: string, options?: WaitOptions): Promise<SupervisedProcess | undefined>;
}
