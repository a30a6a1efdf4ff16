/** The two programs that bear the name: QEMU's in C (up to 7.x) and its successor in Rust (1.x). Their options differ. */
export type VirtiofsdFlavour = 'c' | 'rust';

export interface VirtiofsdCall {
  readonly path: string;
  readonly source: string;
  readonly cache: 'auto' | 'always' | 'none';
  /** The hard limit of open files that it inherits: it may not be able to raise it, and it refuses to run when asked to. */
  readonly openFiles: number;
}

/** What the launcher puts in place of the listening socket's number. */
export const SOCKET_FD = '{fd:fs}';

/** Threads that serve one guest's requests. Created when work comes. */
const THREADS = 4;
const MOST_OPEN_FILES = 1_000_000;

/** Which program wrote this `--help`. */
export function flavourOf(help: string): VirtiofsdFlavour {
  return /--shared-dir\b/.test(help) ? 'rust' : 'c';
}

/**
 * The command line of a virtiofsd that serves one directory over a socket it is handed. It tells the guest of mounts below the share: the guest
 * then mounts each by itself, inode numbers stay apart, and a container's root file system can be unmounted while others are in use.
 */
export function virtiofsdArgv(call: VirtiofsdCall, flavour: VirtiofsdFlavour): readonly string[] {
  const openFiles = String(Math.min(call.openFiles, MOST_OPEN_FILES));
  if (flavour === 'rust') {
    const cache = call.cache === 'none' ? 'never' : call.cache;
    return [call.path, `--fd=${SOCKET_FD}`, `--shared-dir=${call.source}`, `--cache=${cache}`, '--sandbox=namespace', '--xattr', '--announce-submounts', `--thread-pool-size=${THREADS}`, `--rlimit-nofile=${openFiles}`];
  }
  const options = [`source=${call.source}`, `cache=${call.cache}`, 'sandbox=namespace', 'xattr', 'announce_submounts', 'log_level=warn'];
  return [call.path, `--fd=${SOCKET_FD}`, '-o', options.join(','), `--thread-pool-size=${THREADS}`, `--rlimit-nofile=${openFiles}`];
}

/** The hard limit of open files in a text of /proc/PID/limits; undefined when it is not there. */
export function hardOpenFiles(limits: string): number | undefined {
  const found = /^Max open files\s+\S+\s+(\S+)/m.exec(limits)?.[1];
  if (found === 'unlimited') return MOST_OPEN_FILES;
  return found === undefined ? undefined : Number(found);
}
