import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { GUEST, REPOSITORY } from '../paths.ts';
import { readCpio, writeCpio } from './cpio.ts';

const EXECUTABLE = 0o100755;
const REGULAR = 0o100644;

export interface BareGuest {
  /** Debian's, packed as Debian packs it. */
  readonly kernel: string;
  readonly initrd: string;
  readonly initrdBytes: number;
}

/** Makes the bare guest in a directory: one static binary, and the modules that its port needs (those of our own guest, so the same bytes). */
export async function makeBareGuest(directory: string): Promise<BareGuest> {
  const binary = join(directory, 'init');
  await promisify(execFile)('cc', ['-static', '-Os', '-s', '-Wall', '-Werror', '-o', binary, join(REPOSITORY, 'bench/bare/init.c')]);
  const ours = readCpio(await readFile(join(GUEST, 'initramfs.cpio')));
  const find = (name: string): Uint8Array => {
    const entry = ours.find((candidate) => candidate.name === name);
    if (entry === undefined) throw new Error(`${name} is not in the default guest`);
    return entry.data;
  };
  const modules = Buffer.from(find('lib/vivarium/modules.boot'))
    .toString()
    .split('\n')
    .map((line) => line.split(' ')[0] ?? '')
    .filter((path) => path !== '' && !path.includes('pvpanic'));
  const archive = writeCpio([
    { name: 'init', mode: EXECUTABLE, data: await readFile(binary) },
    { name: 'modules.list', mode: REGULAR, data: Buffer.from(modules.map((path) => `/${basename(path)}\n`).join('')) },
    ...modules.map((path) => ({ name: basename(path), mode: REGULAR, data: find(path.replace(/^\//, '')) })),
  ]);
  const initrd = join(directory, 'bare.cpio');
  await writeFile(initrd, archive);
  return { kernel: join(GUEST, 'vmlinuz'), initrd, initrdBytes: archive.length };
}
