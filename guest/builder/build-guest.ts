import { copyFile, link, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode, writeFileDurably } from './atomic-files.ts';
import { BuildError } from './build-error.ts';
import { withBuildLock } from './build-lock.ts';
import type { CommandRunner } from './command-runner.ts';
import { writeCpio } from './cpio-newc.ts';
import type { CpioEntry } from './cpio-newc.ts';
import { LOADER_SCRIPT } from './custom-init.ts';
import { DebianArchive } from './debian-archive.ts';
import { sha256File } from './digests.ts';
import { gatherInputs } from './gather-inputs.ts';
import type { GatheredInputs } from './gather-inputs.ts';
import { Generations } from './generations.ts';
import { layoutInitramfs } from './initramfs-layout.ts';
import type { InitProgram, LoadedModule } from './initramfs-layout.ts';
import { KernelStore } from './kernel-store.ts';
import type { StoredKernel } from './kernel-store.ts';
import { encodeManifest, MANIFEST_FILE, MANIFEST_FORMAT, readManifest } from './manifest.ts';
import type { GuestManifest, OutputFacts } from './manifest.ts';
import { ModuleCatalog } from './module-catalog.ts';
import { orderModules } from './module-order.ts';
import type { PlannedModule } from './module-order.ts';
import { stripModules } from './module-strip.ts';
import type { BuildOptions } from './options.ts';
import type { Progress } from './progress.ts';
import { readFromPackage, unpackPackage } from './unpack-package.ts';

export interface BuildResult {
  readonly manifest: GuestManifest;
  readonly directory: string;
  /** False: what was there is up to date. */
  readonly changed: boolean;
}

interface ModulePlan {
  readonly boot: readonly LoadedModule[];
  readonly late: readonly LoadedModule[];
  readonly disks: readonly LoadedModule[];
  readonly builtin: readonly string[];
}

/** Builds one guest, or finds it up to date. A build that fails or is cancelled leaves the guest of that name as it was. */
export class GuestBuilder {
  readonly #runner: CommandRunner;
  readonly #progress: Progress;
  readonly #signal: AbortSignal;

  constructor(tools: { runner: CommandRunner; progress: Progress; signal: AbortSignal }) {
    this.#runner = tools.runner;
    this.#progress = tools.progress;
    this.#signal = tools.signal;
  }

  async build(options: BuildOptions): Promise<BuildResult> {
    const cache = join(options.out, '.cache');
    const onWait = (): void => { this.#progress.note(`  waiting: another build is at work in ${options.out}`); };
    return withBuildLock(join(cache, 'lock'), onWait, this.#signal, async () => this.#build(options, cache));
  }

  async #build(options: BuildOptions, cache: string): Promise<BuildResult> {
    const tools = { runner: this.#runner, progress: this.#progress, signal: this.#signal };
    const archive = new DebianArchive({ directory: join(cache, 'packages'), ...tools });
    const kernels = new KernelStore({ directory: join(cache, 'kernels'), archive, ...tools });
    const generations = new Generations(options.out);
    const directory = generations.current(options.name);

    const gathered = await gatherInputs(options, { archive, kernels, ...tools });
    const there = await upToDate(directory, gathered.digest);
    if (there !== undefined) return { manifest: there, directory, changed: false };

    const kernel = await kernels.provide(gathered.kernel);
    const modules = await this.#modules(gathered, options.modulesDirectory ?? kernel.modules);
    const initramfs = await this.#initramfs(options, gathered, archive, modules);
    let manifest: GuestManifest | undefined;
    this.#progress.step('publish', directory);
    await generations.publish(options.name, gathered.digest.slice(0, 16), async (temporary) => {
      manifest = await fill(temporary, { kernel, modules, initramfs, gathered });
    });
    await generations.prune(options.name, 1);
    if (manifest === undefined) throw new BuildError('bad_input', 'nothing was published');
    return { manifest, directory, changed: true };
  }

  async #modules(gathered: GatheredInputs, directory: string | undefined): Promise<ModulePlan> {
    this.#progress.step('modules');
    const requests = [...gathered.bootModules, ...gathered.lateModules, ...gathered.diskModules];
    const catalog = await ModuleCatalog.open(directory, requests.map((request) => request.name), this.#runner, this.#signal);
    const boot = orderModules(gathered.bootModules, catalog, new Set());
    const late = orderModules(gathered.lateModules, catalog, new Set(boot.load.map((module) => module.name)));
    const disks = orderModules(gathered.diskModules, catalog, new Set([...boot.load, ...late.load].map((module) => module.name)));
    const load = [...boot.load, ...late.load, ...disks.load];
    const stripped = await stripModules(load.map((module) => objectOf(catalog, module)), this.#runner, this.#signal);
    const loaded = load.map((module, index) => ({ name: module.name, parameters: module.parameters, data: stripped[index] ?? Buffer.alloc(0) }));
    return {
      boot: loaded.slice(0, boot.load.length),
      late: loaded.slice(boot.load.length, boot.load.length + late.load.length),
      disks: loaded.slice(boot.load.length + late.load.length),
      builtin: [...boot.builtin, ...late.builtin, ...disks.builtin],
    };
  }

  async #initramfs(options: BuildOptions, gathered: GatheredInputs, archive: DebianArchive, modules: ModulePlan): Promise<Buffer> {
    const extra: CpioEntry[] = [];
    for (const [index, record] of gathered.packages.entries()) {
      const file = await archive.fetch(record);
      this.#progress.step('unpack', record.package);
      this.#progress.advance(index + 1, gathered.packages.length);
      extra.push(...(await unpackPackage(file, this.#runner, this.#signal)));
    }
    const init = await this.#init(gathered, archive);
    this.#progress.step('initramfs');
    return writeCpio(layoutInitramfs({
      init,
      bootModules: modules.boot,
      lateModules: modules.late,
      diskModules: modules.disks,
      identity: { name: options.name, version: gathered.inputs.init.version ?? 'unknown', inputs_digest: `sha256:${gathered.digest}` },
      extra: [...extra, ...gathered.files],
    }));
  }

  async #init(gathered: GatheredInputs, archive: DebianArchive): Promise<InitProgram> {
    if (gathered.loader === undefined) return { kind: 'direct', data: gathered.init };
    const busybox = await readFromPackage(await archive.fetch(gathered.loader), 'bin/busybox', this.#runner, this.#signal);
    return { kind: 'loaded', data: gathered.init, busybox, script: LOADER_SCRIPT };
  }
}

function objectOf(catalog: ModuleCatalog, module: PlannedModule): Uint8Array {
  const object = catalog.object(module.name);
  if (object === undefined) throw new BuildError('module_not_found', `module ${module.name} was not read`);
  return object;
}

/** The guest that is there, if it was made from these inputs and its files are whole in size. */
async function upToDate(directory: string, digest: string): Promise<GuestManifest | undefined> {
  const manifest = await readManifest(join(directory, MANIFEST_FILE)).catch((error: unknown) => {
    if (error instanceof BuildError) return undefined;
    throw error;
  });
  if (manifest?.digest !== `sha256:${digest}`) return undefined;
  for (const [name, facts] of Object.entries(manifest.outputs)) {
    try {
      if ((await stat(join(directory, name))).size !== facts.size) return undefined;
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return undefined;
      throw error;
    }
  }
  return manifest;
}

interface Parts {
  readonly kernel: StoredKernel;
  readonly modules: ModulePlan;
  readonly initramfs: Buffer;
  readonly gathered: GatheredInputs;
}

async function fill(directory: string, parts: Parts): Promise<GuestManifest> {
  await linkOrCopy(parts.kernel.vmlinux, join(directory, 'vmlinux'));
  if (parts.kernel.vmlinuz !== undefined) await linkOrCopy(parts.kernel.vmlinuz, join(directory, 'vmlinuz'));
  await writeFileDurably(join(directory, 'initramfs.cpio'), parts.initramfs);
  const names = ['vmlinux', ...(parts.kernel.vmlinuz === undefined ? [] : ['vmlinuz']), 'initramfs.cpio'];
  const facts = await Promise.all(names.map(async (name) => [name, await outputFacts(join(directory, name))] as const));
  const manifest: GuestManifest = {
    format: MANIFEST_FORMAT,
    name: parts.gathered.inputs.name,
    digest: `sha256:${parts.gathered.digest}`,
    kernelRelease: parts.kernel.release,
    modules: {
      boot: parts.modules.boot.map((module) => module.name),
      late: parts.modules.late.map((module) => module.name),
      disks: parts.modules.disks.map((module) => module.name),
      builtin: parts.modules.builtin,
    },
    inputs: parts.gathered.inputs,
    outputs: Object.fromEntries(facts),
  };
  await writeFileDurably(join(directory, MANIFEST_FILE), encodeManifest(manifest));
  return manifest;
}

async function outputFacts(path: string): Promise<OutputFacts> {
  return { size: (await stat(path)).size, sha256: await sha256File(path) };
}

/** A second name for the cached file saves 50 MB a guest; across file systems it has to be a copy. */
async function linkOrCopy(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    if (!hasCode(error, 'EXDEV') && !hasCode(error, 'EPERM') && !hasCode(error, 'EMLINK')) throw error;
    await copyFile(from, to);
  }
}
