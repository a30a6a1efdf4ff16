import { DomainError } from '../core/model/errors.ts';
import type { Clock, ProcessRunner, RunResult, WaitOptions } from '../core/ports/host.ts';
import { parseMountTable, unmountOrder } from './mount-table.ts';
import type { MountEntry } from './mount-table.ts';

export interface MounterOptions {
  readonly runner: ProcessRunner;
  readonly clock: Clock;
  /** The text of /proc/self/mountinfo. */
  readonly readMountInfo: () => Promise<string>;
  /** How long a busy mount is tried again. A guest lets go of what it looked up a moment after it was told to. */
  readonly busyDeadlineMs?: number;
}

const COMMAND_TIMEOUT_MS = 10_000;
const FIRST_RETRY_MS = 2;
const LAST_RETRY_MS = 50;

/** Calls mount(8) and umount(8): Node has no mount(2). A call takes 2 to 4 ms. Never lazy: a lazy unmount hides what still holds it. */
export class Mounter {
  readonly #options: MounterOptions;

  constructor(options: MounterOptions) {
    this.#options = options;
  }

  async table(): Promise<readonly MountEntry[]> {
    return parseMountTable(await this.#options.readMountInfo());
  }

  /** Runs mount(8). ROOTFS_FAILED (STORAGE_FULL when the file system says so) with its words. */
  async mount(args: readonly string[], options: WaitOptions = {}): Promise<void> {
    const result = await this.#run('mount', args, options);
    if (result.code === 0) return;
    const words = wordsOf(result);
    if (/No space left|Disk quota exceeded/i.test(words)) throw new DomainError('STORAGE_FULL', `mount ${args.join(' ')}: ${words}`, { remedy: 'free space in the state directory' });
    throw new DomainError('ROOTFS_FAILED', `mount ${args.join(' ')}: ${words}`, { remedy: 'the kernel log (dmesg) says more; `viv doctor` checks overlay and mount support' });
  }

  /** Unmounts everything at or below a directory. ROOTFS_FAILED naming the mount that stays busy past the deadline. */
  async unmountAll(directory: string): Promise<void> {
    const deadline = this.#options.clock.monotonicMs() + (this.#options.busyDeadlineMs ?? 2_000);
    // A mount with peers takes them along, so the table is read again after each pass.
    for (let pass = unmountOrder(await this.table(), directory); pass.length > 0; pass = unmountOrder(await this.table(), directory)) {
      const top = pass[0];
      if (top !== undefined) await this.#unmount(top.mountPoint, deadline);
    }
  }

  async #unmount(path: string, deadline: number): Promise<void> {
    const { clock } = this.#options;
    for (let pause = FIRST_RETRY_MS; ; pause = Math.min(pause * 2, LAST_RETRY_MS)) {
      const result = await this.#run('umount', ['--no-canonicalize', path], {});
      const words = wordsOf(result);
      if (result.code === 0 || /not mounted|no mount point/i.test(words)) return;
      if (!/busy/i.test(words)) throw new DomainError('ROOTFS_FAILED', `umount ${path}: ${words}`, { facts: { mount: path } });
      if (clock.monotonicMs() + pause > deadline) {
        throw new DomainError('ROOTFS_FAILED', `${path} is still in use`, { remedy: 'it is unmounted when the sandbox stops; until then a process or the guest holds files below it', facts: { mount: path, busy: 'true' } });
      }
      await clock.sleep(pause);
    }
  }

  async #run(command: string, args: readonly string[], options: WaitOptions): Promise<RunResult> {
    return await this.#options.runner.run(command, args, { timeoutMs: COMMAND_TIMEOUT_MS, signal: options.signal, env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' } });
  }
}

function wordsOf(result: RunResult): string {
  return result.stderr.trim().replace(/\s+/g, ' ') || `exit code ${result.code}`;
}
