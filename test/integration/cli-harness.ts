import { PassThrough, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CliHost, HostSignal } from '../../src/cli/host.ts';
import { runCli } from '../../src/cli/run-cli.ts';

/** A command line that runs in this process, with streams and signals of its own. */
export class CliRun {
  readonly stdin = Object.assign(new PassThrough(), { isTTY: false, raw: [] as boolean[], setRawMode(raw: boolean) { this.raw.push(raw); } });
  readonly stdout = new Sink();
  readonly stderr = new Sink();
  readonly exitCode: Promise<number>;
  endedNow: number | undefined;
  readonly #listeners = new Map<HostSignal, (() => void)[]>();
  #ids = 0;

  constructor(argv: readonly string[], options: { env?: Record<string, string>; tty?: boolean; host: string; daemonProgram?: string; prepare?: (run: CliRun) => void }) {
    if (options.tty === true) {
      Object.assign(this.stdin, { isTTY: true });
      Object.assign(this.stdout, { isTTY: true, columns: 80, rows: 24 });
    }
    options.prepare?.(this);
    this.exitCode = runCli(argv, {
      host: this.#host({ VIVARIUM_HOST: options.host, ...options.env }),
      cwd: '/tmp', version: '1.2.3', daemonProgram: options.daemonProgram ?? '/nonexistent',
    });
  }

  signal(name: HostSignal): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) listener();
  }

  #host(env: Record<string, string>): CliHost {
    return {
      stdin: this.stdin, stdout: this.stdout, stderr: this.stderr, env,
      clock: { now: () => new Date(), sleep: (ms, signal) => sleep(ms, undefined, signal === undefined ? {} : { signal }) },
      newId: () => `request-${(this.#ids += 1)}`,
      onSignal: (name, listener) => {
        this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), listener]);
        return { [Symbol.dispose]: () => { this.#listeners.set(name, (this.#listeners.get(name) ?? []).filter((known) => known !== listener)); } };
      },
      onExit: () => ({ [Symbol.dispose]: () => undefined }),
      passOutputThrough: () => undefined,
      endNow: (code) => { this.endedNow = code; },
    };
  }
}

/** Keeps what is written; can be made to break, or to wait. */
export class Sink extends Writable {
  readonly chunks: Buffer[] = [];
  /** Fails every write from now on. */
  broken: NodeJS.ErrnoException | undefined;
  /** Takes nothing until it resolves. */
  gate: Promise<void> | undefined;
  #waiters: (() => void)[] = [];

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    const take = (): void => {
      if (this.broken !== undefined) {
        done(this.broken);
        return;
      }
      this.chunks.push(chunk);
      done();
      for (const wake of this.#waiters.splice(0)) wake();
    };
    if (this.gate === undefined) take();
    else void this.gate.then(take);
  }

  get text(): string {
    return Buffer.concat(this.chunks).toString();
  }

  get length(): number {
    return this.chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  }

  async until(condition: (text: string) => boolean): Promise<void> {
    while (!condition(this.text)) await new Promise<void>((resolve) => { this.#waiters.push(resolve); });
  }
}
