import { DomainError } from '../core/model/errors.ts';
import type { BindCall, Clock, MountCall, MountCalls, WaitOptions } from '../core/ports/host.ts';
import { parseMountTable, unmountOrder } from './mount-table.ts';
import type { MountEntry } from './mount-table.ts';
import { FULL } from './storage-files.ts';

export interface MounterOptions {
  readonly calls: MountCalls;
  readonly clock: Clock;
  /** The text of /proc/self/mountinfo. */
  readonly readMountInfo: () => Promise<string>;
  /** How long a busy mount is tried again. A guest lets go of what it looked up a moment after it was told to. */
  readonly busyDeadlineMs?: number;
}

const FIRST_RETRY_MS = 2;
const LAST_RETRY_MS = 50;

const BIND_REMEDIES: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'it is not there, or no longer: make it'],
  ['ENOTDIR', 'a part of that path is no directory'],
  ['EXDEV', 'a link in the sub-path leads out of the volume: name what it leads to'],
  ['ELOOP', 'a link was put in its place: look who changes that path'],
  ['EOPNOTSUPP', 'only directories and files can be shown to a guest'],
]);

/** Mounts and unmounts, with errors that say what to do. Never lazy: a lazy unmount hides what still holds it. */
export class Mounter {
  readonly #options: MounterOptions;

  constructor(options: MounterOptions) {
    this.#options = options;
  }

  async table(): Promise<readonly MountEntry[]> {
    return parseMountTable(await this.#options.readMountInfo());
  }

  /** One after the other, up to the first that fails. ROOTFS_FAILED (STORAGE_FULL when the file system says so) with the kernel's words. */
  async mount(calls: readonly MountCall[], options: WaitOptions = {}): Promise<void> {
    const failure = await this.#options.calls.mount(calls, options);
    if (failure === undefined) return;
    const message = `mount ${failure.path}: ${failure.message} (${failure.errno})`;
    if (FULL.has(failure.errno)) throw new DomainError('STORAGE_FULL', message, { remedy: 'free space in the state directory' });
    throw new DomainError('ROOTFS_FAILED', message, { remedy: 'the kernel log (dmesg) says more; `viv doctor` checks overlay and mount support', facts: { mount: failure.path, errno: failure.errno } });
  }

  /** One after the other, up to the first that fails. ROOTFS_FAILED with the kernel's words, or what they mean here. */
  async bind(calls: readonly BindCall[], options: WaitOptions = {}): Promise<void> {
    const failure = await this.#options.calls.bind(calls, options);
    if (failure === undefined) return;
    const remedy = BIND_REMEDIES.get(failure.errno) ?? 'the kernel log (dmesg) says more';
    const subPaths = calls.flatMap(({ source, subPath = '' }) => (source === failure.path && subPath !== '' ? [`${source}/${subPath}`] : []));
    const path = subPaths.length === 0 ? failure.path : subPaths.join(' or ');
    throw new DomainError('ROOTFS_FAILED', `bind ${path}: ${failure.message} (${failure.errno})`, { remedy, facts: { mount: path, errno: failure.errno } });
  }

  /** Unmounts everything at or below a directory. ROOTFS_FAILED naming the mount that stays busy past the deadline. */
  async unmountAll(directory: string): Promise<void> {
    const deadline = this.#options.clock.monotonicMs() + (this.#options.busyDeadlineMs ?? 2_000);
    let before: MountEntry | undefined;
    // Read again after each pass: what others mounted meanwhile, and what was passed over as no mount and is one all the same.
    for (let pass = unmountOrder(await this.table(), directory); pass.length > 0; pass = unmountOrder(await this.table(), directory)) {
      const [top] = pass;
      if (top === undefined || top.id === before?.id) throw new DomainError('ROOTFS_FAILED', `${top?.mountPoint ?? directory} cannot be unmounted`, { facts: { mount: top?.mountPoint ?? directory } });
      await this.#unmount(pass.map(({ mountPoint }) => mountPoint), deadline);
      before = top;
    }
  }

  async #unmount(paths: readonly string[], deadline: number): Promise<void> {
    const { calls, clock } = this.#options;
    for (let pause = FIRST_RETRY_MS; ; pause = Math.min(pause * 2, LAST_RETRY_MS)) {
      const failure = await calls.unmount(paths);
      if (failure === undefined) return;
      const { errno, path, message } = failure;
      if (errno !== 'EBUSY') throw new DomainError('ROOTFS_FAILED', `umount ${path}: ${message} (${errno})`, { facts: { mount: path, errno } });
      if (clock.monotonicMs() + pause > deadline) {
        throw new DomainError('ROOTFS_FAILED', `${path} is still in use`, { remedy: 'it is unmounted when the sandbox stops; until then a process or the guest holds files below it', facts: { mount: path, busy: 'true' } });
      }
      await clock.sleep(pause);
    }
  }
}
