import type { CpioEntry } from './cpio-newc.ts';
import { FileTree } from './file-tree.ts';
import type { ModuleRequest } from './module-order.ts';

/** A module with its object's bytes, ready to be put in. */
export interface LoadedModule extends ModuleRequest {
  readonly data: Uint8Array;
}

export interface InitramfsContent {
  readonly init: InitProgram;
  readonly bootModules: readonly LoadedModule[];
  readonly lateModules: readonly LoadedModule[];
  readonly diskModules: readonly LoadedModule[];
  /** What the guest may read about itself; becomes /etc/vivarium/guest.json. */
  readonly identity: Readonly<Record<string, string>>;
  /** Unpacked packages first, then single files: the later wins. */
  readonly extra: readonly CpioEntry[];
}

/** What runs as process 1: one binary, or a foreign one behind a loader (see custom-init.ts). */
export type InitProgram =
  | { readonly kind: 'direct'; readonly data: Uint8Array }
  | { readonly kind: 'loaded'; readonly data: Uint8Array; readonly busybox: Uint8Array; readonly script: string };

const DIRECTORIES: readonly (readonly [string, number])[] = [
  ['dev', 0o755], ['proc', 0o555], ['sys', 0o555], ['run', 0o755], ['tmp', 0o1777], ['newroot', 0o755], ['etc/vivarium', 0o755],
];

/** Where a foreign init program lies when the loader starts it. */
export const FOREIGN_INIT = 'usr/libexec/vivarium/init';

/** Lays out the initramfs; guest/README.md describes it, the agent relies on it. */
export function layoutInitramfs(content: InitramfsContent): CpioEntry[] {
  const tree = new FileTree();
  for (const [path, mode] of DIRECTORIES) tree.add({ kind: 'directory', path, mode });
  for (const entry of content.extra) tree.add(entry);
  // The kernel opens /dev/console for process 1 before anything is mounted.
  tree.add({ kind: 'character', path: 'dev/console', mode: 0o600, major: 5, minor: 1 });
  addInit(tree, content.init);
  for (const module of [...content.bootModules, ...content.lateModules, ...content.diskModules]) {
    tree.add({ kind: 'file', path: modulePath(module), mode: 0o644, data: module.data });
  }
  addText(tree, 'lib/vivarium/modules.boot', moduleList(content.bootModules));
  addText(tree, 'lib/vivarium/modules.late', moduleList(content.lateModules));
  addText(tree, 'lib/vivarium/modules.disks', moduleList(content.diskModules));
  addText(tree, 'etc/vivarium/guest.json', `${JSON.stringify(content.identity)}\n`);
  return tree.entries();
}

function addInit(tree: FileTree, init: InitProgram): void {
  if (init.kind === 'direct') {
    tree.add({ kind: 'file', path: 'init', mode: 0o755, data: init.data });
    return;
  }
  tree.add({ kind: 'file', path: 'init', mode: 0o755, data: Buffer.from(init.script, 'utf8') });
  tree.add({ kind: 'file', path: 'bin/busybox', mode: 0o755, data: init.busybox });
  tree.add({ kind: 'file', path: FOREIGN_INIT, mode: 0o755, data: init.data });
}

function addText(tree: FileTree, path: string, text: string): void {
  tree.add({ kind: 'file', path, mode: 0o644, data: Buffer.from(text, 'utf8') });
}

function modulePath(module: ModuleRequest): string {
  return `lib/vivarium/modules/${module.name}.ko`;
}

/** One absolute path a line in load order; parameters, if any, after the first space. */
function moduleList(modules: readonly ModuleRequest[]): string {
  return modules.map((module) => `/${modulePath(module)}${module.parameters === '' ? '' : ` ${module.parameters}`}\n`).join('');
}
