import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');

export const FAKE_VMM = join(ROOT, 'target/x86_64-unknown-linux-gnu/release/fake-vmm');

export interface VivResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface DaemonOptions {
  /** Profiles by name, as TOML text. */
  readonly profiles?: Readonly<Record<string, string>>;
  readonly flags?: readonly string[];
  /** Where its directories are made; by default where temporary files are. */
  readonly parent?: string;
}

/** A real daemon, in directories of its own, with the real command line. */
export class TestDaemon {
  readonly home: string;
  readonly root: string;
  readonly run: string;
  readonly host: string;
  readonly #flags: readonly string[];
  #process: ChildProcess | undefined;
  #log = '';

  private constructor(options: DaemonOptions) {
    this.home = mkdtempSync(join(options.parent ?? tmpdir(), 'vv-'));
    this.root = join(this.home, 'lib');
    this.run = join(this.home, 'run');
    this.host = `unix:${this.run}/vivd.sock`;
    this.#flags = options.flags ?? [];
  }

  static async start(options: DaemonOptions = {}): Promise<TestDaemon> {
    const daemon = new TestDaemon(options);
    await daemon.#writeProfiles(options.profiles ?? {});
    await daemon.boot();
    return daemon;
  }

  get pid(): number {
    const pid = this.#process?.pid;
    if (pid === undefined) throw new Error('the daemon does not run');
    return pid;
  }

  get log(): string {
    return this.#log;
  }

  /** Starts vivd (again) over the same directories and waits until it serves. */
  async boot(env: Readonly<Record<string, string>> = {}): Promise<void> {
    const args = ['--root', this.root, '--run', this.run, '--metrics', 'none', '--profile-dir', join(this.home, 'profiles'), ...this.#flags];
    const child = spawn(join(ROOT, 'bin/vivd'), args, { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...env } });
    this.#process = child;
    await new Promise<void>((resolve, reject) => {
      let serving = false;
      child.stderr.on('data', (chunk: Buffer) => {
        this.#log += chunk.toString();
        if (serving) return;
        serving = this.#log.split('\n').some((line) => line.includes('"serving"'));
        if (serving) resolve();
      });
      child.once('exit', (code) => { reject(new Error(`vivd ended with ${code}:\n${this.#log}`)); });
    });
    this.#log = '';
  }

  /** SIGKILL: what a crash is. Resolves when it is gone; VMs go on. */
  async crash(): Promise<void> {
    await this.#end('SIGKILL');
  }

  async stop(): Promise<void> {
    await this.#end('SIGTERM');
  }

  /** Runs the command line to its end. */
  async viv(args: readonly string[], options: { readonly input?: string | Buffer; readonly signal?: AbortSignal } = {}): Promise<VivResult> {
    const child = this.spawnViv(args);
    options.signal?.addEventListener('abort', () => child.kill('SIGKILL'), { once: true });
    let stdout = '';
    let stderr = '';
    child.stdout?.on('data', (chunk: Buffer) => { stdout += chunk.toString(); });
    child.stderr?.on('data', (chunk: Buffer) => { stderr += chunk.toString(); });
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(options.input ?? '');
    const [code] = (await once(child, 'close')) as [number | null];
    return { code: code ?? -1, stdout, stderr };
  }

  /** Starts the command line and leaves it to the test. */
  spawnViv(args: readonly string[]): ChildProcess {
    return spawn(join(ROOT, 'bin/viv'), args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, VIVARIUM_HOST: this.host } });
  }

  /** Runs it, fails the test unless it ends with 0, and answers its stdout without the last newline. */
  async must(...args: string[]): Promise<string> {
    const result = await this.viv(args);
    if (result.code !== 0) throw new Error(`viv ${args.join(' ')} ended with ${result.code}: ${result.stderr}`);
    return result.stdout.replace(/\n$/, '');
  }

  async json<T>(...args: string[]): Promise<T> {
    return JSON.parse(await this.must(...args, '-o', 'json')) as T;
  }

  /** The pid of a sandbox's VMM, by the record of its launcher: also of one that no reply has named yet. */
  vmmOf(name: string): number | undefined {
    const sandboxes = join(this.root, 'sandboxes');
    for (const id of existsSync(sandboxes) ? readdirSync(sandboxes) : []) {
      if (!readIfThere(join(sandboxes, id, 'record.json')).includes(`"name":"${name}"`)) continue;
      const launched = readIfThere(join(this.run, 's', id.slice(-10), 'vmm', 'record')).trim();
      return launched === '' ? undefined : (JSON.parse(launched) as { pid?: number }).pid;
    }
    return undefined;
  }

  /** Everything on this host that bears this daemon's directories: processes, mounts, sockets. Empty when nothing is left. */
  leftovers(): readonly string[] {
    const processes = readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name) && Number(name) !== this.#process?.pid)
      .flatMap((pid) => {
        const words = readIfThere(`/proc/${pid}/cmdline`).replaceAll('\0', ' ');
        return words.includes(this.run) && !words.includes('bin/vivd') ? [`process ${pid}: ${words.slice(0, 120)}`] : [];
      });
    const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n').filter((line) => line.includes(this.home)).map((line) => `mount ${line}`);
    const directories = existsSync(join(this.run, 's')) ? readdirSync(join(this.run, 's')).map((name) => `directory ${name}`) : [];
    return [...processes, ...mounts, ...directories];
  }

  /** Deletes every sandbox, stops the daemon, removes its directories. Fails when something of it is left on the host. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process === undefined) await this.boot();
    const ids = (await this.viv(['sandbox', 'ls', '-q'])).stdout.split('\n').filter((id) => id !== '');
    for (const id of ids) await this.viv(['sandbox', 'rm', '-f', id]);
    await this.stop();
    const left = this.leftovers();
    if (left.length > 0) throw new Error(`left behind:\n${left.join('\n')}\nthe daemon said:\n${this.#log}`);
    rmSync(this.home, { recursive: true, force: true });
  }

  async #end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = this.#process;
    if (child === undefined) return;
    this.#process = undefined;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }

  async #writeProfiles(profiles: Readonly<Record<string, string>>): Promise<void> {
    await mkdir(join(this.home, 'profiles'), { recursive: true });
    for (const [name, text] of Object.entries(profiles)) await writeFile(join(this.home, 'profiles', `${name}.toml`), text);
  }
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // It ended while we looked.
    return '';
  }
}
