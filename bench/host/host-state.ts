import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { allProcesses, isZombie } from './own-processes.ts';
import type { HostProcess } from './own-processes.ts';

/** What a daemon can leave behind. */
export type HostKind = 'process' | 'mount' | 'netns' | 'link' | 'socket' | 'cgroup' | 'shm' | 'directory';

/** One thing of the host. `text` says all that tells whose it is; `key` is the same for the same thing. */
export interface HostThing {
  readonly kind: HostKind;
  readonly key: string;
  readonly text: string;
}

/** Deeper directories below root and run are the containers' own files. */
const DIRECTORY_DEPTH = 5;

/**
 * All of the host, whoever made it: processes, mounts, network namespaces and links, bound sockets, cgroups, shared memory, and what is below a
 * daemon's own home. Reads the kernel's files and nothing of the daemon's.
 */
export function hostState(home: string): ReadonlyMap<string, HostThing> {
  const things: readonly HostThing[] = [
    ...allProcesses().filter((found) => !isZombie(found)).map(processThing),
    ...mounts(),
    ...names('/run/netns').map((name) => thing('netns', name)),
    ...names('/sys/class/net').map((name) => thing('link', name)),
    ...sockets(),
    ...cgroups('/sys/fs/cgroup').map((path) => thing('cgroup', path)),
    ...names('/dev/shm').map((name) => thing('shm', name)),
    ...below(home, DIRECTORY_DEPTH).map((path) => thing('directory', path)),
  ];
  return new Map(things.map((each) => [`${each.kind} ${each.key}`, each]));
}

/** What is there now and was not before. */
export function newOnHost(before: ReadonlyMap<string, HostThing>, after: ReadonlyMap<string, HostThing>): readonly HostThing[] {
  return [...after].filter(([key]) => !before.has(key)).map(([, each]) => each);
}

function thing(kind: HostKind, key: string): HostThing {
  return { kind, key, text: key };
}

function processThing({ pid, startTime, name, words, environment, directory }: HostProcess): HostThing {
  return { kind: 'process', key: `${pid} ${startTime}`, text: `${pid} ${name} ${words} in ${directory}\0${environment}` };
}

/** Without the numbers that the kernel gives anew to the same mount. */
function mounts(): readonly HostThing[] {
  return readFileSync('/proc/self/mountinfo', 'utf8').split('\n').filter((line) => line !== '').map((line) => {
    const [, , , root, point, ...rest] = line.split(' ');
    return { kind: 'mount', key: `${root} ${point}`, text: `${point} ${rest.join(' ')}` };
  });
}

/** Sockets with a name, in the file system or abstract. */
function sockets(): readonly HostThing[] {
  return readFileSync('/proc/net/unix', 'utf8').split('\n').slice(1).flatMap((line) => {
    const name = line.trim().split(/\s+/).slice(7).join(' ');
    return name === '' ? [] : [thing('socket', name)];
  });
}

function cgroups(directory: string): readonly string[] {
  return entries(directory).filter((entry) => entry.isDirectory()).flatMap((entry) => {
    const path = join(directory, entry.name);
    return [path, ...cgroups(path)];
  });
}

/** Directories and sockets; files that a daemon keeps for good (its journals) are not looked at. */
function below(directory: string, depth: number): readonly string[] {
  if (depth === 0) return [];
  return entries(directory).filter((entry) => entry.isDirectory() || entry.isSocket()).flatMap((entry) => {
    const path = join(directory, entry.name);
    return entry.isDirectory() ? [path, ...below(path, depth - 1)] : [path];
  });
}

function names(directory: string): readonly string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}

function entries(directory: string): ReturnType<typeof readDirectory> {
  try {
    return readDirectory(directory);
  } catch {
    // It was removed while we looked.
    return [];
  }
}

function readDirectory(directory: string): readonly { readonly name: string; isDirectory(): boolean; isSocket(): boolean }[] {
  return readdirSync(directory, { withFileTypes: true });
}
