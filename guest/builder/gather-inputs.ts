import { readFile, stat } from 'node:fs/promises';
import { agentVersion } from './agent-version.ts';
import { BuildError } from './build-error.ts';
import type { CommandRunner } from './command-runner.ts';
import type { CpioEntry } from './cpio-newc.ts';
import type { DebRecord } from './deb-control.ts';
import type { DebianArchive } from './debian-archive.ts';
import { BOOT_MODULES, DISK_MODULES, LATE_MODULES } from './default-modules.ts';
import { digestOf, sha256 } from './digests.ts';
import { hasCode } from './atomic-files.ts';
import { normalPath } from './file-tree.ts';
import type { KernelSource, KernelStore } from './kernel-store.ts';
import type { GuestInputs, PackageIdentity } from './manifest.ts';
import { parseModuleRequest } from './module-order.ts';
import type { ModuleRequest } from './module-order.ts';
import { stripVersion } from './module-strip.ts';
import type { BuildOptions, FileRequest } from './options.ts';
import { readTree } from './read-tree.ts';

/** Goes up when the same inputs would give other bytes. */
const BUILDER_VERSION = 2;

/** Everything a build reads, resolved and hashed, but nothing downloaded or unpacked yet. */
export interface GatheredInputs {
  readonly inputs: GuestInputs;
  /** Lower-case hex over `inputs`. */
  readonly digest: string;
  readonly kernel: KernelSource;
  readonly init: Buffer;
  readonly loader: DebRecord | undefined;
  readonly packages: readonly DebRecord[];
  readonly files: readonly CpioEntry[];
  readonly bootModules: readonly ModuleRequest[];
  readonly lateModules: readonly ModuleRequest[];
  readonly diskModules: readonly ModuleRequest[];
}

export interface GatherTools {
  readonly archive: DebianArchive;
  readonly kernels: KernelStore;
  readonly runner: CommandRunner;
  readonly signal: AbortSignal;
}

export async function gatherInputs(options: BuildOptions, tools: GatherTools): Promise<GatheredInputs> {
  const kernel = await tools.kernels.resolve(options.kernel);
  const init = await readInit(options);
  const loader = options.init?.loader === true ? (await tools.archive.resolve(['busybox-static']))[0] : undefined;
  const packages = await tools.archive.resolve(options.packages);
  const files = (await Promise.all(options.files.map(readRequest))).flat();
  // A kernel given as a bare file has its drivers built in, or brings them in --modules-dir.
  const hasModules = kernel.kind === 'package' || options.modulesDirectory !== undefined;
  const bootModules = hasModules ? BOOT_MODULES.map(parseModuleRequest) : [];
  const lateModules = [...(hasModules ? LATE_MODULES.map(parseModuleRequest) : []), ...options.modules];
  const diskModules = hasModules ? DISK_MODULES.map(parseModuleRequest) : [];
  const inputs: GuestInputs = {
    builder: BUILDER_VERSION,
    name: options.name,
    kernel: kernel.kind === 'package' ? identity(kernel.record) : { file: kernel.path.split('/').at(-1) ?? '', sha256: kernel.sha256 },
    modulesDirectory: options.modulesDirectory === undefined ? null : await treeDigest(options.modulesDirectory),
    bootModules: bootModules.map(moduleWords),
    lateModules: lateModules.map(moduleWords),
    diskModules: diskModules.map(moduleWords),
    init: {
      kind: options.init === undefined ? 'agent' : 'custom',
      loader: loader === undefined ? null : identity(loader),
      sha256: sha256(init),
      version: options.init === undefined ? await agentVersion(options.agent, init, tools.runner, tools.signal) : null,
    },
    packages: packages.map(identity),
    files: files.map((entry) => ({ path: entry.path, mode: 'mode' in entry ? entry.mode.toString(8) : 'link', sha256: contentDigest(entry) })),
    kernelParameters: options.kernelParameters,
    strip: await stripVersion(tools.runner, tools.signal),
  };
  return { inputs, digest: digestOf(inputs), kernel, init, loader, packages, files, bootModules, lateModules, diskModules };
}

async function readInit(options: BuildOptions): Promise<Buffer> {
  const path = options.init?.path ?? options.agent;
  try {
    return await readFile(path);
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
    throw new BuildError('bad_input', `no ${options.init === undefined ? 'agent' : 'init program'} at ${path}`, {
      remedy: options.init === undefined ? 'build it with cargo build --release -p viv-agent, or name one with --agent' : 'check --init',
      cause: error,
    });
  }
}

async function readRequest(request: FileRequest): Promise<CpioEntry[]> {
  const path = normalPath(request.target);
  const info = await stat(request.source).catch((error: unknown) => {
    throw new BuildError('bad_input', `--file: no ${request.source}`, { cause: error });
  });
  if (info.isDirectory()) {
    const mode = request.mode ?? info.mode & 0o7777;
    return [{ kind: 'directory', path, mode }, ...(await readTree(request.source, path, () => false))];
  }
  return [{ kind: 'file', path, mode: request.mode ?? info.mode & 0o7777, data: await readFile(request.source) }];
}

async function treeDigest(directory: string): Promise<string> {
  const entries = await readTree(directory, '', (path) => path === 'build' || path === 'source');
  return digestOf(entries.map((entry) => [entry.path, contentDigest(entry)]).sort());
}

function contentDigest(entry: CpioEntry): string {
  if (entry.kind === 'file') return sha256(entry.data);
  return sha256(entry.kind === 'symlink' ? entry.target : entry.kind);
}

function moduleWords(module: ModuleRequest): string {
  return module.parameters === '' ? module.name : `${module.name} ${module.parameters}`;
}

function identity(record: DebRecord): PackageIdentity {
  return { package: record.package, version: record.version, sha256: record.sha256 };
}
