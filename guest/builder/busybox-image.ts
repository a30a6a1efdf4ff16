import { chmod, lutimes, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { readIfThere, writeFileDurably } from './atomic-files.ts';
import { withBuildLock } from './build-lock.ts';
import { BuildError } from './build-error.ts';
import type { CommandRunner } from './command-runner.ts';
import { writeCpio } from './cpio-newc.ts';
import type { CpioEntry } from './cpio-newc.ts';
import { DebianArchive } from './debian-archive.ts';
import { digestOf, sha256 } from './digests.ts';
import { FileTree } from './file-tree.ts';
import { Generations } from './generations.ts';
import type { Progress } from './progress.ts';
import { readFromPackage } from './unpack-package.ts';

/** Goes up when the same package would give another image. */
const RECIPE_VERSION = 3;
const IMAGE_FILE = 'image.json';
const NAME = 'busybox';

const DIRECTORIES: readonly (readonly [string, number])[] = [
  ['dev', 0o755], ['etc', 0o755], ['home', 0o755], ['mnt', 0o755], ['proc', 0o555], ['root', 0o700], ['run', 0o755],
  ['sys', 0o555], ['tmp', 0o1777], ['var/log', 0o755], ['var/tmp', 0o1777],
];

const FILES: readonly (readonly [string, string])[] = [
  ['etc/passwd', 'root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/bin/false\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n'],
  ['etc/group', 'root:x:0:\ndaemon:x:1:\ntty:x:5:\nnogroup:x:65534:\n'],
  ['etc/nsswitch.conf', 'passwd: files\ngroup: files\nhosts: files dns\n'],
];

const CONFIG = {
  entrypoint: [],
  cmd: ['sh'],
  env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
  user: '0:0',
  workdir: '/',
};

export interface ImageResult {
  readonly digest: string;
  readonly directory: string;
  readonly changed: boolean;
}

/**
 * Builds the embedded image: `<images>/busybox/rootfs` and `image.json` beside it, from Debian's busybox-static. Old generations
 * stay on disk, for a running container may have one as its lower layer.
 */
export class BusyboxImageBuilder {
  readonly #runner: CommandRunner;
  readonly #progress: Progress;
  readonly #signal: AbortSignal;

  constructor(tools: { runner: CommandRunner; progress: Progress; signal: AbortSignal }) {
    this.#runner = tools.runner;
    this.#progress = tools.progress;
    this.#signal = tools.signal;
  }

  /** `guests` is where the download cache is shared with the guest builder. */
  async build(guests: string, images: string): Promise<ImageResult> {
    const cache = join(guests, '.cache');
    const onWait = (): void => { this.#progress.note(`  waiting: another build is at work in ${guests}`); };
    return withBuildLock(join(cache, 'lock'), onWait, this.#signal, async () => this.#build(cache, images));
  }

  async #build(cache: string, images: string): Promise<ImageResult> {
    const archive = new DebianArchive({ directory: join(cache, 'packages'), runner: this.#runner, progress: this.#progress, signal: this.#signal });
    const [record] = await archive.resolve(['busybox-static']);
    if (record === undefined) throw new BuildError('package_not_found', 'no package busybox-static');
    const key = digestOf({ recipe: RECIPE_VERSION, package: record.sha256, DIRECTORIES, FILES, CONFIG }).slice(0, 16);
    const generations = new Generations(images);
    const directory = generations.current(NAME);
    const there = await currentDigest(directory, key);
    if (there !== undefined) return { digest: there, directory, changed: false };

    const file = await archive.fetch(record);
    this.#progress.step('image', NAME);
    const busybox = await readFromPackage(file, 'bin/busybox', this.#runner, this.#signal);
    const entries = imageTree(busybox, await this.#applets(busybox));
    const digest = `sha256:${sha256(writeCpio(entries))}`;
    const source = { package: record.package, version: record.version, sha256: record.sha256 };
    await generations.publish(NAME, key, async (temporary) => {
      await materialise(join(temporary, 'rootfs'), entries);
      await writeFileDurably(join(temporary, IMAGE_FILE), `${JSON.stringify({ format: 1, name: NAME, digest, key, ...CONFIG, sizeBytes: sizeOf(entries), source }, null, 2)}\n`);
    });
    return { digest, directory, changed: true };
  }

  /** Paths like `usr/bin/env`, as this very binary lists them; `linuxrc` is of use to an old initrd only. */
  async #applets(busybox: Uint8Array): Promise<string[]> {
    const directory = await mkdtemp(join(tmpdir(), 'viv-busybox-'));
    try {
      const program = join(directory, 'busybox');
      await writeFile(program, busybox);
      await chmod(program, 0o755);
      const { stdout } = await this.#runner.run(program, ['--list-full'], { signal: this.#signal });
      return stdout.toString('utf8').split('\n').filter((path) => path !== '' && path !== 'linuxrc');
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }
}

/** The image's files; applets are relative links, so that the tree can be looked at from outside. */
export function imageTree(busybox: Uint8Array, applets: readonly string[]): CpioEntry[] {
  const tree = new FileTree();
  for (const [path, mode] of DIRECTORIES) tree.add({ kind: 'directory', path, mode });
  for (const [path, text] of FILES) tree.add({ kind: 'file', path, mode: 0o644, data: Buffer.from(text) });
  for (const applet of applets) {
    tree.add({ kind: 'symlink', path: applet, target: relative(dirname(`/${applet}`), '/bin/busybox') });
  }
  tree.add({ kind: 'file', path: 'bin/busybox', mode: 0o755, data: busybox });
  return tree.entries();
}

/** Bytes of content, whatever the file system makes of them. */
function sizeOf(entries: readonly CpioEntry[]): number {
  return entries.reduce((sum, entry) => sum + (entry.kind === 'file' ? entry.data.byteLength : 0), 0);
}

async function materialise(root: string, entries: readonly CpioEntry[]): Promise<void> {
  await mkdir(root);
  await chmod(root, 0o755);
  for (const entry of entries) {
    const path = join(root, entry.path);
    if (entry.kind === 'directory') await mkdir(path);
    else if (entry.kind === 'file') await writeFile(path, entry.data);
    else if (entry.kind === 'symlink') await symlink(entry.target, path);
    // chmod, since mkdir and open are subject to the umask.
    if (entry.kind === 'directory' || entry.kind === 'file') await chmod(path, entry.mode);
  }
  // Children first: making one touches its parent's time.
  for (const entry of [...entries].reverse()) await lutimes(join(root, entry.path), 0, 0);
  await lutimes(root, 0, 0);
}

/** The digest of the image that is there, if this recipe made it from this package. */
async function currentDigest(directory: string, key: string): Promise<string | undefined> {
  const bytes = await readIfThere(join(directory, IMAGE_FILE));
  // Any other file than one of ours with this key is replaced, so what exactly is wrong with it does not matter.
  const image = bytes === undefined ? null : jsonOrNull(bytes.toString('utf8'));
  if (typeof image !== 'object' || image === null || !('key' in image) || image.key !== key) return undefined;
  return 'digest' in image && typeof image.digest === 'string' ? image.digest : undefined;
}

function jsonOrNull(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
