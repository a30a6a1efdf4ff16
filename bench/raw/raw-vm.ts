import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ContainerSetup } from '../../src/core/ports/agent.ts';
import { startProcess } from '../processes.ts';
import type { RunningProcess } from '../processes.ts';
import { TempDirectory } from '../temp-directory.ts';
import { timed } from '../stats.ts';
import { sleeperSetup } from './container-setup.ts';
import { RawAgent } from './raw-agent.ts';

const VIRTIOFSD = ['/usr/libexec/virtiofsd', '/usr/lib/qemu/virtiofsd', '/usr/bin/virtiofsd'];
const SHARE = '/run/kata-containers/shared/containers/';
const CONTAINER = 'raw-sleeper';
const SOCKET_MS = 5000;

/** A VM with the very arguments that the daemon gave one, launched by hand and driven by raw agent calls. */
export class RawVm implements AsyncDisposable {
  /** From before QEMU's start to the answer to Check. */
  bootMs = NaN;
  readonly #home = new TempDirectory();
  readonly #processes: RunningProcess[] = [];
  readonly #setup: ContainerSetup;
  #raw: RawAgent | undefined;

  private constructor(setup: ContainerSetup) {
    this.#setup = setup;
  }

  /** `argv` and `runDir` are those of a VM of the daemon's; `below` is what its container is made from, busybox when nothing is said. */
  static async boot(argv: readonly string[], runDir: string, signal: AbortSignal, below?: string): Promise<RawVm> {
    const { setup, lower } = await sleeperSetup(CONTAINER);
    const vm = new RawVm(setup);
    try {
      await vm.#share(below ?? lower, signal);
      await vm.#launch(argv.map((word) => word.replaceAll(runDir, vm.#home.path)), signal);
      return vm;
    } catch (error) {
      await vm[Symbol.asyncDispose]();
      throw error;
    }
  }

  get qmpSocket(): string {
    return join(this.#home.path, 'qmp.sock');
  }

  /** Of the container that `firstExec` starts. */
  get containerId(): string {
    return CONTAINER;
  }

  get raw(): RawAgent {
    if (this.#raw === undefined) throw new Error('the raw VM has no agent');
    return this.#raw;
  }

  /** Milliseconds of each call from Check to the exit of a first `true`. */
  async firstExec(signal: AbortSignal): Promise<Readonly<Record<'sandbox' | 'create' | 'start' | 'exec', number>>> {
    const { agent } = this.raw;
    const sandbox = await timed(async () => {
      await agent.setTime(Date.now(), { signal });
      const storage = { driver: 'virtio-fs', source: 'kataShared', fstype: 'virtiofs', options: [], mountPoint: SHARE } as const;
      await agent.createSandbox({ sandboxId: 'raw', hostname: 'raw', dns: [], storages: [storage], sharedPidNamespace: false }, { signal });
      await agent.info({ signal });
    });
    const create = await timed(() => agent.createContainer(this.#setup, { signal }));
    const start = await timed(() => agent.startContainer(CONTAINER, { signal }));
    const exec = await timed(() => this.raw.exec(CONTAINER, ['true'], signal));
    if (exec.value.code !== 0) throw new Error(`true ended with ${exec.value.code}`);
    return { sandbox: sandbox.ms, create: create.ms, start: start.ms, exec: exec.ms };
  }

  /** Milliseconds that one more container takes to be created and started, over the first one's root file system. */
  async furtherStart(index: number, signal: AbortSignal): Promise<number> {
    const { agent } = this.raw;
    const containerId = `${CONTAINER}-${index}`;
    const { setup } = await sleeperSetup(containerId);
    const started = await timed(async () => {
      await agent.createContainer({ ...setup, spec: { ...setup.spec, root: this.#setup.spec['root'] } }, { signal });
      await agent.startContainer(containerId, { signal });
    });
    return started.ms;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#raw?.[Symbol.dispose]();
    // QEMU before the virtiofsd that it is connected to.
    for (const process of [...this.#processes].reverse()) await process.kill();
    const mounted = readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${this.#target} `);
    if (mounted) execFileSync('umount', [this.#target]);
    this.#home[Symbol.dispose]();
  }

  get #target(): string {
    return join(this.#home.path, 'share', CONTAINER, 'rootfs');
  }

  /** The overlay first: what virtiofsd finds at its start needs no propagation. */
  async #share(lower: string, signal: AbortSignal): Promise<void> {
    const path = this.#home.path;
    for (const directory of [this.#target, join(path, 'upper'), join(path, 'work')]) mkdirSync(directory, { recursive: true });
    const options = `lowerdir=${lower},upperdir=${join(path, 'upper')},workdir=${join(path, 'work')},index=off,metacopy=off,volatile`;
    execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', options, this.#target]);
    // It complains on stderr when its VM is killed, which is how each of these ends.
    const program = VIRTIOFSD.find((candidate) => existsSync(candidate));
    if (program === undefined) throw new Error('no virtiofsd');
    const socket = join(path, 'fs.sock');
    this.#processes.push(startProcess(program, [`--socket-path=${socket}`, '-o', `source=${join(path, 'share')},cache=auto,sandbox=namespace,xattr,log_level=warn`, '--thread-pool-size=4'], { stderr: 'ignore' }));
    const until = performance.now() + SOCKET_MS;
    while (!existsSync(socket)) {
      if (performance.now() > until) throw new Error('virtiofsd did not listen');
      await delay(5, undefined, { signal });
    }
  }

  async #launch(argv: readonly string[], signal: AbortSignal): Promise<void> {
    const path = this.#home.path;
    const console = `file,id=console0,path=${join(path, 'console')}`;
    const [program = '', ...args] = argv.map((word) => word.replace(/^socket,id=console0,.*$/, console));
    writeFileSync(join(path, 'argv'), args.join('\n'));
    const boot = await timed(async () => {
      this.#processes.push(startProcess(program, args));
      this.#raw = await RawAgent.connect({ socketPath: join(path, 'agent.sock'), tokenFile: join(path, 'agent.token') }, signal).catch((error: unknown) => {
        throw new Error(`${String(error)}; its console: ${tail(join(path, 'console'))}`, { cause: error });
      });
    });
    this.bootMs = boot.ms;
  }
}

function tail(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8').slice(-2000) : 'empty';
}
