import { join } from 'node:path';
import { deferred } from '../base/abort.ts';
import { DomainError, toDomainError } from '../core/model/errors.ts';
import type { Clock, Launcher, MountCall, ProcessRunner, SupervisedProcess, WaitOptions } from '../core/ports/host.ts';
import type { Share, ShareDriver, SharePlace } from '../core/ports/storage.ts';
import { mountAt } from './mount-table.ts';
import type { Mounter } from './mounter.ts';
import type { StorageFiles } from './storage-files.ts';
import { flavourOf, hardOpenFiles, virtiofsdArgv } from './virtiofsd-argv.ts';
import type { VirtiofsdFlavour } from './virtiofsd-argv.ts';

export interface VirtiofsdOptions {
  readonly launcher: Launcher;
  readonly runner: ProcessRunner;
  readonly mounter: Mounter;
  readonly files: StorageFiles;
  readonly clock: Clock;
  /** The text of /proc/self/limits. */
  readonly readLimits: () => Promise<string>;
}

/** The virtio-fs tag that the kata agent expects. */
export const SHARE_TAG = 'kataShared';

const LONGEST_SOCKET_PATH = 107;
const PROBE_TIMEOUT_MS = 5_000;
const TERM_GRACE_MS = 1_000;
const KILL_GRACE_MS = 5_000;
const SIGTERM = 15;
const SIGKILL = 9;

/** What it needs to act as any user of the guest and to shut itself into namespaces. */
const CAPABILITIES = ['CAP_CHOWN', 'CAP_DAC_OVERRIDE', 'CAP_DAC_READ_SEARCH', 'CAP_FOWNER', 'CAP_FSETID', 'CAP_SETGID', 'CAP_SETUID', 'CAP_SETPCAP', 'CAP_SYS_CHROOT', 'CAP_SYS_ADMIN', 'CAP_MKNOD', 'CAP_SETFCAP'];

/**
 * With more than eight arenas and no bound, glibc's allocator counts the cpus by a system call that the seccomp filter of QEMU's virtiofsd kills it for: as
 * soon as it has that many threads, which a kill in the guest is enough for (its interrupts and forgets come by a queue of their own).
 */
const ENVIRONMENT = { MALLOC_ARENA_MAX: '4' };

function pathsOf(place: SharePlace): { directory: string; exported: string; socketPath: string; launchDir: string } {
  return { directory: join(place.runDir, 'shared'), exported: join(place.runDir, 'export'), socketPath: join(place.runDir, 'fs.sock'), launchDir: join(place.runDir, 'vfs') };
}

/**
 * One virtiofsd a sandbox. The host writes below `shared`; virtiofsd serves `export`, a read-only view of it, so the guest can't put a
 * file of its own beside its containers. Both are one peer group of mounts that is not the root's: a container's root file system
 * mounted later below `shared` shows up below `export` and in virtiofsd's own mount namespace, whether `/` is private or shared.
 */
export class VirtiofsdDriver implements ShareDriver {
  readonly #options: VirtiofsdOptions;
  readonly #flavours = new Map<string, VirtiofsdFlavour>();

  constructor(options: VirtiofsdOptions) {
    this.#options = options;
  }

  async start(place: SharePlace, options: WaitOptions = {}): Promise<Share> {
    const { files, launcher } = this.#options;
    const { directory, exported, socketPath, launchDir } = pathsOf(place);
    if (Buffer.byteLength(socketPath) > LONGEST_SOCKET_PATH) {
      throw new DomainError('HOST_RESOURCE', `${socketPath} is ${Buffer.byteLength(socketPath)} bytes long; a socket's path has at most ${LONGEST_SOCKET_PATH}`, { remedy: 'use a shorter run directory (--run)' });
    }
    try {
      await Promise.all([files.makeDirectory(directory), files.makeDirectory(exported), files.makeDirectory(launchDir)]);
      await this.#mountViews(directory, exported, options);
      const argv = virtiofsdArgv({ path: place.virtiofsdPath, source: exported, cache: place.cache, openFiles: await this.#openFiles() }, await this.#flavour(place.virtiofsdPath, options));
      const started = await launcher.start(launchDir, { name: 'virtiofsd', argv, env: ENVIRONMENT, keepCapabilities: CAPABILITIES, noNewPrivs: true, cgroups: place.cgroups, fds: [{ name: 'fs', kind: 'unix_listen', path: socketPath, mode: 0o600 }] }, options);
      return this.#share(place, started);
    } catch (error) {
      throw options.signal?.aborted === true ? error : asRootfsFailure(error, place.virtiofsdPath);
    }
  }

  async adopt(place: SharePlace, options: WaitOptions = {}): Promise<Share | undefined> {
    const found = await this.#options.launcher.adopt(pathsOf(place).launchDir, options);
    if (found === undefined) return undefined;
    if (found.end === undefined) return this.#share(place, found);
    found.release();
    return undefined;
  }

  async remove(place: SharePlace): Promise<void> {
    const { files, mounter } = this.#options;
    const { directory, exported, socketPath, launchDir } = pathsOf(place);
    if ((await files.inspect(launchDir)) !== undefined) {
      const share = await this.adopt(place);
      await share?.stop();
      share?.release();
    }
    // `shared` first: what is unmounted there is unmounted in its peers.
    await mounter.unmountAll(directory);
    await mounter.unmountAll(exported);
    for (const path of [exported, directory, launchDir, socketPath]) await files.removeTree(path);
  }

  async #mountViews(directory: string, exported: string, options: WaitOptions): Promise<void> {
    const { mounter } = this.#options;
    const table = await mounter.table();
    const present = mountAt(table, directory);
    // Private first: a bind of a shared mount would join that one's peers, and every container's mount would then show up twice on the host.
    const shared: MountCall = { target: directory, flags: ['shared'] };
    const readOnly: MountCall = { target: exported, flags: ['remount', 'bind', 'ro'] };
    const calls: MountCall[] = [];
    if (present === undefined) calls.push({ source: directory, target: directory, flags: ['bind'] }, { target: directory, flags: ['private'] }, shared);
    else if (!present.shared) calls.push(shared);
    const view = mountAt(table, exported);
    if (view === undefined) calls.push({ source: directory, target: exported, flags: ['bind', 'rec'] }, readOnly);
    else if (!view.readOnly) calls.push(readOnly);
    if (calls.length > 0) await mounter.mount(calls, options);
  }

  #share(place: SharePlace, running: SupervisedProcess): Share {
    const { directory, socketPath } = pathsOf(place);
    return {
      socketPath,
      tag: SHARE_TAG,
      directory,
      pid: running.identity.pid,
      launcherPid: running.launcherPid,
      ended: running.ended,
      stop: async () => { await this.#stop(running); },
      release: () => { running.release(); },
    };
  }

  async #stop(running: SupervisedProcess): Promise<void> {
    for (const [signal, graceMs] of [[SIGTERM, TERM_GRACE_MS], [SIGKILL, KILL_GRACE_MS]] as const) {
      if (running.end !== undefined) return;
      await running.signal(signal);
      if (await this.#endsWithin(running, graceMs)) return;
    }
    throw new DomainError('HOST_RESOURCE', `virtiofsd (pid ${running.identity.pid}) did not end after SIGKILL`, { facts: { pid: String(running.identity.pid) }, remedy: 'look for a process in uninterruptible sleep: a stuck disk or network file system' });
  }

  async #endsWithin(running: SupervisedProcess, ms: number): Promise<boolean> {
    const over = deferred<boolean>();
    const timer = this.#options.clock.timer(ms, () => { over.resolve(false); });
    const ended = await Promise.race([running.ended.then(() => true), over.promise]);
    timer[Symbol.dispose]();
    return ended;
  }

  async #flavour(path: string, options: WaitOptions): Promise<VirtiofsdFlavour> {
    const known = this.#flavours.get(path);
    if (known !== undefined) return known;
    const help = await this.#options.runner.run(path, ['--help'], { timeoutMs: PROBE_TIMEOUT_MS, signal: options.signal });
    const flavour = flavourOf(help.stdout + help.stderr);
    this.#flavours.set(path, flavour);
    return flavour;
  }

  async #openFiles(): Promise<number> {
    return hardOpenFiles(await this.#options.readLimits()) ?? 1_024;
  }
}

/** Whatever failed, the caller's sandbox has no shared file system; errors that say more than that are kept. */
function asRootfsFailure(error: unknown, virtiofsdPath: string): DomainError {
  const known = toDomainError(error);
  if (known.reason === 'DEADLINE' || known.reason === 'STORAGE_FULL' || known.reason === 'ROOTFS_FAILED') return known;
  return new DomainError('ROOTFS_FAILED', `virtiofsd (${virtiofsdPath}) did not start: ${known.message}`, { ...known.details, cause: error, remedy: known.details.remedy ?? 'check `virtiofsd_path` in the profile; on Debian 12 it is /usr/lib/qemu/virtiofsd' });
}
