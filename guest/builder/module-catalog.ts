import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { readIfThere } from './atomic-files.ts';
import type { Compression } from './bzimage.ts';
import type { CommandRunner } from './command-runner.ts';
import { normalModuleName, readModuleInfo } from './module-info.ts';
import type { ModuleInfo } from './module-info.ts';
import type { ModuleSource } from './module-order.ts';
import { unpack } from './unpack.ts';

const SUFFIX = /\.ko(?:\.(gz|xz|zst))?$/;
const PACKING: Readonly<Record<string, Compression>> = { gz: 'gzip', xz: 'xz', zst: 'zstd' };

/** A kernel's module directory. Only the modules that were asked for, and what they need, are read. */
export class ModuleCatalog implements ModuleSource {
  readonly #files: ReadonlyMap<string, string>;
  readonly #builtin: ReadonlySet<string>;
  readonly #infos = new Map<string, ModuleInfo>();
  readonly #objects = new Map<string, Uint8Array>();

  private constructor(files: ReadonlyMap<string, string>, builtin: ReadonlySet<string>) {
    this.#files = files;
    this.#builtin = builtin;
  }

  /** `directory` undefined: a kernel without modules. */
  static async open(directory: string | undefined, wanted: readonly string[], runner: CommandRunner, signal: AbortSignal): Promise<ModuleCatalog> {
    if (directory === undefined) return new ModuleCatalog(new Map(), new Set());
    const files = new Map<string, string>();
    for (const path of await readdir(directory, { recursive: true })) {
      if (SUFFIX.test(path)) files.set(nameOf(path), join(directory, path));
    }
    const list = await readIfThere(join(directory, 'modules.builtin'));
    const builtin = new Set((list?.toString('utf8') ?? '').split('\n').filter(Boolean).map(nameOf));
    const catalog = new ModuleCatalog(files, builtin);
    await catalog.#read(wanted, runner, signal);
    return catalog;
  }

  async #read(wanted: readonly string[], runner: CommandRunner, signal: AbortSignal): Promise<void> {
    const queue = [...wanted];
    for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
      const path = this.#files.get(name);
      if (path === undefined || this.#infos.has(name)) continue;
      const packing = PACKING[SUFFIX.exec(path)?.[1] ?? ''] ?? 'none';
      const object = await unpack(packing, await readFile(path), runner, signal);
      const info = readModuleInfo(name, object);
      this.#objects.set(name, object);
      this.#infos.set(name, info);
      queue.push(...info.depends, ...info.softPre);
    }
  }

  /** The module's object, unpacked. Only for modules that were read. */
  object(name: string): Uint8Array | undefined {
    return this.#objects.get(name);
  }

  file(name: string): string | undefined {
    return this.#files.get(name);
  }

  isBuiltin(name: string): boolean {
    return this.#builtin.has(name);
  }

  needs(name: string): { readonly hard: readonly string[]; readonly soft: readonly string[] } {
    const info = this.#infos.get(name);
    return { hard: info?.depends ?? [], soft: info?.softPre ?? [] };
  }

  names(): readonly string[] {
    return [...this.#files.keys()];
  }
}

function nameOf(path: string): string {
  return normalModuleName(basename(path).replace(SUFFIX, ''));
}
