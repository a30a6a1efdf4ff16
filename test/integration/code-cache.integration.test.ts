import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));
const FLAGS = (/^#!\/usr\/bin\/env -S node (.*)$/m.exec(readFileSync(join(REPOSITORY, 'bin/vivd'), 'utf8'))?.[1] ?? '').split(' ');

describe('what V8 compiled of the daemon at build time', () => {
  let home: string;

  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'vv-'));
    writeFileSync(join(home, 'package.json'), '{"type":"module"}');
    copyFileSync(join(REPOSITORY, 'dist/vivd.js'), join(home, 'vivd.js'));
  });
  afterEach(() => {
    rmSync(home, { recursive: true });
  });

  const node = (...args: string[]): string => execFileSync(process.execPath, [...FLAGS, ...args], { encoding: 'utf8' });
  const bundle = (word: string): void => {
    const source = `(function (require, moduleUrl) { process.stdout.write('${word} ' + require('node:path').basename(moduleUrl)); })`;
    writeFileSync(join(home, 'vivd.cjs'), `${source}\n//${createHash('sha256').update(source).digest('hex')}`);
  };
  const keep = (): void => { node(join(REPOSITORY, 'scripts/code-cache.mjs'), join(home, 'vivd.cjs'), join(home, 'vivd.cache')); };

  it('is taken by a process with the flags of bin/vivd', () => {
    const look = 'const source = fs.readFileSync("dist/vivd.cjs", "latin1"); console.log(new vm.Script(source, { cachedData: fs.readFileSync("dist/vivd.cache").subarray(64) }).cachedDataRejected)';
    expect(execFileSync(process.execPath, [...FLAGS, '-e', look], { encoding: 'utf8', cwd: REPOSITORY }).trim()).toBe('false');
  });

  it('is not taken for another bundle of the same length', () => {
    bundle('first');
    keep();
    expect(node(join(home, 'vivd.js'))).toBe('first vivd.cjs');
    bundle('other');
    expect(node(join(home, 'vivd.js'))).toBe('other vivd.cjs');
  });

  it('may be missing, or be something else', () => {
    bundle('alone');
    expect(node(join(home, 'vivd.js'))).toBe('alone vivd.cjs');
    keep();
    writeFileSync(join(home, 'vivd.cache'), Buffer.concat([readFileSync(join(home, 'vivd.cache')).subarray(0, 64), Buffer.alloc(100, 7)]));
    expect(node(join(home, 'vivd.js'))).toBe('alone vivd.cjs');
  });
});
