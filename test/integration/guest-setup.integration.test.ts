import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const SETUP = new URL('../../scripts/setup.sh', import.meta.url).pathname;
const ALL = 'qemu-system-x86 qemu-system-common qemu-utils iproute2 util-linux procps gcc libc6-dev make pkg-config binutils libseccomp-dev busybox-static xz-utils zstd cpio ca-certificates erofs-utils e2fsprogs';

describe('scripts/setup.sh', () => {
  let bin: string;
  const stub = (name: string, body: string): void => {
    writeFileSync(join(bin, name), `#!/bin/bash\n${body}\n`);
    chmodSync(join(bin, name), 0o755);
  };
  const installed = (...names: string[]): void => { stub('dpkg-query', `printf 'ii  %s\\n' ${names.join(' ')}`); };
  const calls = (): string[] => (existsSync(join(bin, 'calls')) ? readFileSync(join(bin, 'calls'), 'utf8').trim().split('\n') : []);
  const setup = (args: readonly string[], path = `${bin}:${process.env['PATH'] ?? ''}`) =>
    spawnSync('bash', [SETUP, ...args], { encoding: 'utf8', env: { PATH: path, HOME: bin } });

  beforeEach(() => {
    bin = mkdtempSync(join(tmpdir(), 'vv-setup-'));
    stub('apt-get', `echo "$*" >> ${bin}/calls; exit "$(cat ${bin}/exit 2>/dev/null || echo 0)"`);
    stub('cargo', 'exit 0');
  });
  afterEach(() => { rmSync(bin, { recursive: true, force: true }); });

  it('calls nothing when every package is there', () => {
    installed(ALL);
    expect(setup(['--only', 'apt'])).toMatchObject({ status: 0, stdout: '==> ready\n' });
    expect(calls()).toEqual([]);
  });

  it('installs only what is missing and says how long it took', () => {
    installed(ALL.replace('zstd', '').replace('cpio', ''));
    const result = setup(['--only', 'apt']);
    expect(result.stdout).toMatch(/^==> apt-get install zstd cpio\n {4}done in \d+\.\d s\n==> ready\n$/m);
    expect(calls()).toEqual([expect.stringMatching(/install --no-install-recommends zstd cpio$/)]);
  });

  it('tries an install once more with fresh lists and then says what failed', () => {
    installed(ALL.replace('zstd', ''));
    writeFileSync(join(bin, 'exit'), '100');
    const result = setup(['--only', 'apt']);
    expect(result.status).toBe(1);
    expect(result.stderr).toContain('apt-get update failed');
    expect(calls().map((call) => / (update|install)/.exec(call)?.[1])).toEqual(['install', 'update']);
  });

  it('tells a user who is not root what to run', () => {
    installed(ALL.replace('zstd', ''));
    stub('id', 'echo 1000');
    const result = setup(['--only', 'apt']);
    expect(result.status).toBe(1);
    expect(result.stderr).toContain('run as root: apt-get update && apt-get install --no-install-recommends zstd');
  });

  it('says which tool is missing', () => {
    rmSync(join(bin, 'cargo'));
    for (const name of ['bash', 'dirname', 'uname', 'node', 'npm', 'date']) {
      const found = (process.env['PATH'] ?? '').split(':').map((directory) => join(directory, name)).find(existsSync);
      symlinkSync(found!, join(bin, name));
    }
    expect(setup(['--only', 'cargo'], bin)).toMatchObject({ status: 1, stderr: expect.stringContaining('cargo is missing') as string });
  });

  it('refuses an old node', () => {
    stub('node', 'if [ "$1" = --version ]; then echo v18.0.0; else exit 1; fi');
    expect(setup(['--only', 'cargo'])).toMatchObject({ status: 1, stderr: expect.stringContaining('node is v18.0.0; 20.19 or later is needed') as string });
  });

  it.each([[['--only', 'everything'], 'no step everything'], [['--nope'], 'usage:']])('refuses %j', (args, message) => {
    expect(setup(args)).toMatchObject({ status: 1, stderr: expect.stringContaining(message) as string });
  });
});
