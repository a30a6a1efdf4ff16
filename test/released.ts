import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const RELEASED = fileURLToPath(new URL('golden/released', import.meta.url));
const LARGEST_PROGRAM = 64 * 1024 * 1024;

/** The newest version whose binaries are kept. */
export function lastRelease(): string {
  const versions = readdirSync(RELEASED).filter((name) => /^\d+\.\d+\.\d+$/.test(name));
  const newest = versions.sort((a, b) => a.localeCompare(b, 'en', { numeric: true })).at(-1);
  if (newest === undefined) throw new Error(`no released version in ${RELEASED}`);
  return newest;
}

/** Unpacks a program of the last release into a directory and answers its path there. Throws when it is not what was released. */
export function releasedProgram(name: 'viv-agent' | 'viv-launcher', directory: string): string {
  const from = join(RELEASED, lastRelease());
  const program = execFileSync('xz', ['-dc', join(from, `${name}.xz`)], { maxBuffer: LARGEST_PROGRAM });
  const sum = createHash('sha256').update(program).digest('hex');
  if (!readFileSync(join(from, 'SHA256SUMS'), 'utf8').split('\n').includes(`${sum}  ${name}`)) throw new Error(`${from}/${name}.xz is not what SHA256SUMS says`);
  const path = join(directory, name);
  writeFileSync(path, program, { mode: 0o755 });
  return path;
}
