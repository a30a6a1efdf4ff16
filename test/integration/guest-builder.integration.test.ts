import { execFile, execFileSync } from 'node:child_process';
import { readdir, readFile, readlink, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GuestFixture } from './guest-fixture.ts';

const KERNEL = ['--kernel', 'linux-image-test'];
const OUTPUTS = ['vmlinux', 'vmlinuz', 'initramfs.cpio', 'manifest.json'];

describe('guest-build', () => {
  let fixture: GuestFixture;
  beforeEach(async () => {
    fixture = await GuestFixture.create();
  });
  afterEach(async () => fixture.remove());

  const inside = (guest: string, ...args: string[]): string =>
    execFileSync('cpio', ['--quiet', ...args], { input: execFileSync('cat', [join(guest, 'initramfs.cpio')]) }).toString();

  it('gives the same bytes in two paths, umasks and time zones', async () => {
    const [one, two] = [fixture.path('a'), fixture.path('deeper/in/b')];
    const args = [...KERNEL, '--agent', fixture.path('agent'), '--package', 'busybox-static', '--module', 'igb'];
    await fixture.run(['build', '--out', one, ...args], { umask: '022', timezone: 'UTC' });
    const second = await fixture.run(['build', '--out', two, ...args], { umask: '077', timezone: 'Asia/Tokyo' });
    expect(second.stdout).toContain('guest default built');
    for (const name of OUTPUTS) {
      expect(Buffer.compare(await readFile(join(one, 'default', name)), await readFile(join(two, 'default', name))), name).toBe(0);
      expect((await stat(join(two, 'default', name))).mode & 0o777, name).toBe(0o644);
    }
  });

  it('unpacks the kernel and writes an initramfs that cpio reads, modules in load order', async () => {
    const out = fixture.path('out');
    await fixture.build(out, ...KERNEL, '--module', 'igb flow=1', '--module', 'ext4');
    const guest = join(out, 'default');
    expect((await readFile(join(guest, 'vmlinux'))).subarray(1, 4).toString()).toBe('ELF');
    const listing = inside(guest, '-tv');
    expect(listing).toMatch(/^crw------- +1 root +root +5, +1 Jan +1 +1970 dev\/console$/m);
    expect(listing).toMatch(/^-rwxr-xr-x +1 root +root +\d+ Jan +1 +1970 init$/m);
    expect(inside(guest, '-i', '--to-stdout', 'lib/vivarium/modules.boot').trim().split('\n').map((path) => path.split('/').at(-1)))
      .toEqual(['virtio_ring.ko', 'virtio.ko', 'virtio_pci.ko', 'virtio_console.ko', 'pvpanic.ko', 'pvpanic_pci.ko']);
    expect(inside(guest, '-i', '--to-stdout', 'lib/vivarium/modules.late').trim().split('\n').slice(-2))
      .toEqual(['/lib/vivarium/modules/dca.ko', '/lib/vivarium/modules/igb.ko flow=1']);
    expect(inside(guest, '-i', '--to-stdout', 'lib/vivarium/modules.disks').trim().split('\n').map((path) => path.split('/').at(-1)))
      .toEqual(['scsi_common.ko', 'scsi_mod.ko scan=manual', 'virtio_scsi.ko', 'sd_mod.ko', 'erofs.ko']);
    const manifest = JSON.parse(await readFile(join(guest, 'manifest.json'), 'utf8')) as Record<string, unknown>;
    expect(manifest).toMatchObject({ format: 1, name: 'default', kernelRelease: '6.1.0-1-test', modules: { builtin: ['ext4'] }, inputs: { init: { version: '1.2.3' } } });
  });

  it('does nothing when nothing changed, and asks apt nothing', async () => {
    const out = fixture.path('out');
    await fixture.build(out, ...KERNEL);
    const calls = await fixture.aptCalls();
    const again = await fixture.build(out, ...KERNEL);
    expect(again.stdout).toMatch(/^guest default up to date: sha256:/);
    expect(await fixture.aptCalls()).toEqual(calls);
  });

  it('builds anew when the agent changed, without downloading or unpacking again, and keeps one generation back', async () => {
    const out = fixture.path('out');
    await fixture.build(out, ...KERNEL);
    for (const text of ['second agent', 'third agent']) {
      await writeFile(fixture.path('agent'), text);
      expect((await fixture.build(out, ...KERNEL)).stdout).toContain('built');
    }
    expect((await fixture.aptCalls()).filter((call) => call.startsWith('apt-get'))).toHaveLength(1);
    expect(await readdir(join(out, '.store'))).toHaveLength(2);
    expect(inside(join(out, 'default'), '-i', '--to-stdout', 'init')).toBe('third agent');
  });

  it('makes a guest anew of which a file is cut off', async () => {
    const out = fixture.path('out');
    await fixture.build(out, ...KERNEL);
    await truncate(join(out, 'default/initramfs.cpio'), 100);
    expect((await fixture.build(out, ...KERNEL)).stdout).toContain('built');
    expect((await stat(join(out, 'default/initramfs.cpio'))).size).toBeGreaterThan(1000);
  });

  it('unpacks the kernel anew when the cached one was written to through the guest', async () => {
    const out = fixture.path('out');
    await fixture.build(out, ...KERNEL);
    const good = await readFile(join(out, 'default/vmlinux'));
    await truncate(join(out, 'default/vmlinux'), 10);
    await fixture.build(out, ...KERNEL);
    expect(Buffer.compare(await readFile(join(out, 'default/vmlinux')), good)).toBe(0);
  });

  it('leaves the old guest alone when a build fails', async () => {
    const out = fixture.path('out');
    await fixture.build(out, ...KERNEL);
    const before = await readlink(join(out, 'default'));
    const failed = await fixture.build(out, ...KERNEL, '--module', 'nowhere');
    expect(failed).toMatchObject({ code: 1, stderr: expect.stringContaining('no module nowhere') as string });
    expect(await readlink(join(out, 'default'))).toBe(before);
    expect((await readdir(join(out, '.store'))).filter((name) => name.startsWith('.tmp'))).toEqual([]);
  });

  it('says in JSON what it does, and what went wrong with the remedy', async () => {
    const out = fixture.path('out');
    await writeFile(fixture.path('debs/broken'), '');
    const failed = await fixture.build(out, ...KERNEL, '--progress', 'json');
    const error = JSON.parse(failed.stdout.trim().split('\n').at(-1) ?? '') as unknown;
    expect(failed.code).toBe(1);
    expect(error).toMatchObject({ error: { code: 'download_failed', remedy: expect.stringContaining('apt-get update') as string } });
    await rm(fixture.path('debs/broken'));
    const lines = (await fixture.build(out, ...KERNEL, '--progress', 'json')).stdout.trim().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines).toContainEqual(expect.objectContaining({ step: 'download', done: expect.any(Number) as number, total: expect.any(Number) as number }));
    expect(lines.at(-1)).toMatchObject({ step: 'done', name: 'default', changed: true });
  });

  it('refuses a package whose bytes are not what the archive announced', async () => {
    const show = fixture.path('debs/linux-image-6.1.0-1-test.show');
    await writeFile(show, (await readFile(show, 'utf8')).replace(/SHA256: .*/, `SHA256: ${'0'.repeat(64)}`));
    expect(await fixture.build(fixture.path('out'), ...KERNEL)).toMatchObject({ code: 1, stderr: expect.stringContaining('the archive says 000') as string });
  });

  it('names an unknown package and a missing agent', async () => {
    const out = fixture.path('out');
    expect((await fixture.build(out, '--kernel', 'linux-image-none')).stderr).toContain('no package linux-image-none');
    expect((await fixture.build(out, ...KERNEL, '--agent', '/nowhere/agent')).stderr).toContain('no agent at /nowhere/agent');
  });

  it('puts files in with their modes, and runs a foreign init program behind the loader', async () => {
    const out = fixture.path('out');
    await writeFile(fixture.path('kata-agent'), 'foreign');
    await fixture.build(out, 'kata', ...KERNEL, '--init', fixture.path('kata-agent'), '--kernel-param', 'agent.log=debug', '--file', `${fixture.path('agent')}:/opt/x:0600`);
    const guest = join(out, 'kata');
    expect(inside(guest, '-tv')).toMatch(/^-rw------- .* opt\/x$/m);
    expect(inside(guest, '-i', '--to-stdout', 'init')).toContain('insmod');
    expect(inside(guest, '-i', '--to-stdout', 'usr/libexec/vivarium/init')).toBe('foreign');
    const listing = JSON.parse((await fixture.run(['ls', '--out', out])).stdout) as unknown;
    expect(listing).toEqual([expect.objectContaining({ name: 'kata', customInit: true, kernelParameters: ['agent.log=debug'], kernelVersion: '1' })]);
  });

  it('takes a kernel file as it is, with no modules', async () => {
    const out = fixture.path('out');
    await fixture.build(out, 'bare', '--kernel', fixture.path('vmlinux.o'));
    expect((await readdir(join(out, 'bare'))).sort()).toEqual(['initramfs.cpio', 'manifest.json', 'vmlinux']);
    expect(inside(join(out, 'bare'), '-i', '--to-stdout', 'lib/vivarium/modules.boot')).toBe('');
  });

  it('lets two builds of one directory follow each other', async () => {
    const out = fixture.path('out');
    const [one, two] = await Promise.all([fixture.build(out, ...KERNEL), fixture.build(out, ...KERNEL)]);
    expect([one.stdout, two.stdout].map((text) => /guest default (built|up to date)/.exec(text)?.[1]).sort()).toEqual(['built', 'up to date']);
  });

  it('is cancelled by a signal and leaves nothing half made', async () => {
    const out = fixture.path('out');
    await writeFile(fixture.path('bin/apt-get'), `#!/bin/sh\necho begun > ${fixture.path('begun')}\nexec sleep 60\n`);
    const main = new URL('../../guest/builder/main.ts', import.meta.url).pathname;
    const env = { ...process.env, PATH: `${fixture.path('bin')}:${process.env['PATH'] ?? ''}` };
    const child = execFile('node', ['--import', 'tsx', main, 'build', '--out', out, '--agent', fixture.path('agent'), ...KERNEL, '--progress', 'json'], { env });
    const ended = new Promise<number | null>((resolve) => { child.once('exit', resolve); });
    await new Promise<void>((resolve) => { child.stdout?.on('data', (text: string) => { if (text.includes('download')) resolve(); }); });
    child.kill('SIGTERM');
    expect(await ended).toBe(130);
    expect((await readdir(out)).sort()).toEqual(['.cache']);
  });

  it('builds the busybox image the same under another umask, and only once', async () => {
    const listing = (root: string): string => execFileSync('find', ['.', '-printf', '%p %m %s %T@ %l\n'], { cwd: root, env: { LC_ALL: 'C' } }).toString().split('\n').sort().join('\n');
    await fixture.run(['busybox', '--out', fixture.path('g'), '--images', fixture.path('i')]);
    await fixture.run(['busybox', '--out', fixture.path('h'), '--images', fixture.path('j')], { umask: '077', timezone: 'Asia/Tokyo' });
    expect(listing(fixture.path('i/busybox/rootfs'))).toBe(listing(fixture.path('j/busybox/rootfs')));
    expect(await readFile(fixture.path('i/busybox/image.json'), 'utf8')).toBe(await readFile(fixture.path('j/busybox/image.json'), 'utf8'));
    expect((await fixture.run(['busybox', '--out', fixture.path('g'), '--images', fixture.path('i')])).stdout).toContain('up to date');
    const image = JSON.parse(await readFile(fixture.path('i/busybox/image.json'), 'utf8')) as unknown;
    expect(image).toMatchObject({ entrypoint: [], cmd: ['sh'], workdir: '/', source: { package: 'busybox-static', version: '1:2-3' } });
  });
});
