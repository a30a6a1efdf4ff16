import { deferred } from '../../src/base/abort.ts';
import type { Launcher, LaunchSpec, ProcessEnd, SupervisedProcess, WaitOptions } from '../../src/core/ports/host.ts';

export const ENDED: ProcessEnd = { kind: 'exited', code: 0, signal: 0, atMs: 1, stderrTail: '', cpuMs: 0, maxRssKib: 0 };

/** A supervised process that the test ends. SIGKILL ends it by itself unless told otherwise. */
export class FakeSupervised implements SupervisedProcess {
  readonly identity = { pid: 11, startTime: '123', bootId: 'boot' };
  readonly launcherPid = 10;
  readonly directory: string;
  readonly signals: number[] = [];
  readonly #ended = deferred<ProcessEnd>();
  end: ProcessEnd | undefined;
  released = false;
  diesOfKill = true;
  console = '';

  constructor(directory: string) {
    this.directory = directory;
  }

  get ended(): Promise<ProcessEnd> {
    return this.#ended.promise;
  }

  finish(end: Partial<ProcessEnd> = {}): void {
    this.end ??= { ...ENDED, ...end };
    this.#ended.resolve(this.end);
  }

  async signal(signal: number): Promise<void> {
    this.signals.push(signal);
    if (signal === 9 && this.diesOfKill) this.finish({ kind: 'signalled', signal: 9 });
  }

  async tail(which: 'stderr' | 'console', bytes: number): Promise<string> {
    return (which === 'console' ? this.console : (this.end?.stderrTail ?? '')).slice(-bytes);
  }

  release(): void {
    this.released = true;
  }
}

/** Hands out fake processes and remembers what was asked. */
export class FakeLauncher implements Launcher {
  readonly started: { directory: string; spec: LaunchSpec }[] = [];
  readonly processes = new Map<string, FakeSupervised>();
  failure: Error | undefined;

  async start(directory: string, spec: LaunchSpec, options: WaitOptions = {}): Promise<SupervisedProcess> {
    options.signal?.throwIfAborted();
    if (this.failure !== undefined) throw this.failure;
    this.started.push({ directory, spec });
    const process = new FakeSupervised(directory);
    this.processes.set(directory, process);
    return process;
  }

  async adopt(directory: string): Promise<SupervisedProcess | undefined> {
    return this.processes.get(directory);
  }
}
