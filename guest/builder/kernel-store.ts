import { mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { publishDirectory, readIfThere, writeFileDurably } from './atomic-files.ts';
import { BuildError } from './build-error.ts';
import { isBzImage } from './bzimage.ts';
import type { CommandRunner } from './command-runner.ts';
import type { DebRecord } from './deb-control.ts';
import type { DebianArchive } from './debian-archive.ts';
import { sha256, sha256File } from './digests.ts';
import type { Progress } from './progress.ts';
import { unpackKernel } from './unpack.ts';

/** A kernel, unpacked and ready. Paths lie in the cache and must not be written to. */
export interface StoredKernel {
  readonly release: string;
  readonly vmlinux: string;
  /** The packed image; absent when an ELF file was given. */
  readonly vmlinuz: string | undefined;
  /** The directory with modules.builtin and the .ko files below it; absent for a bare kernel file. */
  readonly modules: string | undefined;
}

/** Which kernel was asked for, resolved: what the inputs digest covers. */
export type KernelSource =
  | { readonly kind: 'package'; readonly record: DebRecord }
  | { readonly kind: 'file'; readonly path: string; readonly sha256: string };

const RECORD_FILE = 'kernel.json';

interface StoreRecord {
  readonly release: string;
  readonly vmlinux: string;
  readonly vmlinuz: string | null;
}

/** Unpacked kernels, each made once: unpacking one takes seconds, an initramfs with another agent should not. */
export class KernelStore {
  readonly #directory: string;
  readonly #archive: DebianArchive;
  readonly #runner: CommandRunner;
  readonly #progress: Progress;
  readonly #signal: AbortSignal;

  constructor(options: { directory: string; archive: DebianArchive; runner: CommandRunner; progress: Progress; signal: AbortSignal }) {
    this.#directory = options.directory;
    this.#archive = options.archive;
    this.#runner = options.runner;
    this.#progress = options.progress;
    this.#signal = options.signal;
  }

  /** Names the kernel a request means. A meta package stands for the image that it depends on. */
  async resolve(request: string): Promise<KernelSource> {
    if (request.includes('/')) {
      const bytes = await readIfThere(request);
      if (bytes === undefined) throw new BuildError('bad_input', `no kernel at ${request}`);
      return { kind: 'file', path: request, sha256: sha256(bytes) };
    }
    const [record] = await this.#archive.resolve([request]);
    if (record === undefined) throw new BuildError('package_not_found', `no package ${request}`);
    const concrete = record.depends.find((name) => /^linux-image-\d/.test(name));
    if (concrete === undefined) return { kind: 'package', record };
    const [image] = await this.#archive.resolve([concrete]);
    if (image === undefined) throw new BuildError('package_not_found', `no package ${concrete}`);
    return { kind: 'package', record: image };
  }

  async provide(source: KernelSource): Promise<StoredKernel> {
    const directory = join(this.#directory, keyOf(source));
    const there = await readStored(directory);
    if (there !== undefined) return there;
    // What is there and not whole goes first, since a rename can't replace a directory that holds something.
    await rm(directory, { recursive: true, force: true });
    if (source.kind === 'package') await this.#fromPackage(source.record, directory);
    else await this.#fromFile(source.path, directory);
    const stored = await readStored(directory);
    if (stored === undefined) throw new BuildError('bad_kernel', `${directory} is not readable after it was made`);
    return stored;
  }

  async #fromPackage(record: DebRecord, directory: string): Promise<void> {
    const file = await this.#archive.fetch(record);
    this.#progress.step('unpack', record.package);
    await publishDirectory(directory, async (temporary) => {
      const root = await mkdtemp(join(temporary, 'root-'));
      await this.#runner.run('dpkg-deb', ['-x', file, root], { signal: this.#signal });
      const image = await onlyMatch(join(root, 'boot'), /^vmlinuz-/, record.package);
      const modules = await modulesDirectory(root, record.package);
      await rename(modules, join(temporary, 'modules'));
      const packed = await readFile(image);
      await rm(root, { recursive: true });
      await this.#writeKernel(temporary, packed, basename(modules));
    });
  }

  async #fromFile(path: string, directory: string): Promise<void> {
    await publishDirectory(directory, async (temporary) => this.#writeKernel(temporary, await readFile(path), undefined));
  }

  async #writeKernel(directory: string, image: Uint8Array, release: string | undefined): Promise<void> {
    this.#progress.step('extract', 'vmlinux');
    const kernel = await unpackKernel(image, this.#runner, this.#signal);
    await writeFileDurably(join(directory, 'vmlinux'), kernel);
    if (isBzImage(image)) await writeFileDurably(join(directory, 'vmlinuz'), image);
    const record: StoreRecord = { release: release ?? releaseIn(kernel), vmlinux: sha256(kernel), vmlinuz: isBzImage(image) ? sha256(image) : null };
    await writeFileDurably(join(directory, RECORD_FILE), JSON.stringify(record));
  }
}

function keyOf(source: KernelSource): string {
  if (source.kind === 'file') return `file_${source.sha256.slice(0, 16)}`;
  const { package: name, version, sha256: digest } = source.record;
  return `${name}_${version.replaceAll(':', '%3a')}_${digest.slice(0, 16)}`;
}

/** What is stored, if it is whole: guests have hard links to these files, and one written through a link is worth nothing. */
async function readStored(directory: string): Promise<StoredKernel | undefined> {
  const bytes = await readIfThere(join(directory, RECORD_FILE));
  if (bytes === undefined) return undefined;
  // Written above, and published by rename together with what it describes.
  const record = JSON.parse(bytes.toString('utf8')) as StoreRecord;
  const vmlinux = join(directory, 'vmlinux');
  const vmlinuz = record.vmlinuz === null ? undefined : join(directory, 'vmlinuz');
  if ((await sha256File(vmlinux)) !== record.vmlinux) return undefined;
  if (vmlinuz !== undefined && (await sha256File(vmlinuz)) !== record.vmlinuz) return undefined;
  const modules = (await readdir(directory)).includes('modules') ? join(directory, 'modules') : undefined;
  return { release: record.release, vmlinux, vmlinuz, modules };
}

/** The release is in the kernel's banner, "Linux version RELEASE (…)". */
function releaseIn(kernel: Uint8Array): string {
  const bytes = Buffer.from(kernel.buffer, kernel.byteOffset, kernel.byteLength);
  const at = bytes.indexOf('Linux version ');
  const release = at < 0 ? undefined : /^Linux version (\S+)/.exec(bytes.toString('latin1', at, at + 200))?.[1];
  return release ?? 'unknown';
}

async function modulesDirectory(root: string, name: string): Promise<string> {
  for (const below of ['lib/modules', 'usr/lib/modules']) {
    try {
      return await onlyMatch(join(root, below), /./, name);
    } catch (error) {
      if (!(error instanceof BuildError)) throw error;
    }
  }
  throw new BuildError('bad_kernel', `package ${name} holds no kernel modules`);
}

async function onlyMatch(directory: string, pattern: RegExp, name: string): Promise<string> {
  const names = await readdir(directory).catch((error: unknown) => {
    throw new BuildError('bad_kernel', `package ${name} has no /${basename(directory)}`, { cause: error });
  });
  const matches = names.filter((entry) => pattern.test(entry));
  if (matches.length !== 1 || matches[0] === undefined) {
    throw new BuildError('bad_kernel', `package ${name} has ${matches.length} entries like ${pattern.source} in /${basename(directory)}, not one`);
  }
  return join(directory, matches[0]);
}
