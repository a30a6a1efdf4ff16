import { existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestDaemon } from './daemon.ts';

/** What containers in a real VM see of the host, and what the host sees of them. */
describe('mounts in a real VM', () => {
  let daemon: TestDaemon;
  let data: string;

  const mountsOfDaemon = (): readonly string[] => readFileSync('/proc/self/mountinfo', 'utf8').split('\n').filter((line) => line.includes(`${daemon.home}/`) && line.includes('/mounts/'));

  beforeAll(async () => {
    daemon = await TestDaemon.start();
    data = join(daemon.home, 'data');
    mkdirSync(join(data, 'inner'), { recursive: true });
    writeFileSync(join(data, 'file'), 'of the host\n');
    await daemon.must('run', '-d', '--name', 'box', '-v', `${data}:/data`, '-v', `${data}:/ro:ro`, '-v', `${data}/file:/etc/motd:ro`, '--tmpfs', '/scratch:size=1m', '--tmpfs', '/dev/shm:size=2m', 'busybox', '--', 'sleep', '1000000');
  });

  afterAll(async () => {
    await daemon[Symbol.asyncDispose]();
  });

  it('a directory is seen in both directions, at once', async () => {
    await expect(daemon.must('exec', 'box', 'sh', '-c', 'cat /data/file; echo of the guest > /data/inner/new; chmod 640 /data/inner/new; cat /ro/inner/new')).resolves.toBe('of the host\nof the guest');
    expect(readFileSync(join(data, 'inner/new'), 'utf8')).toBe('of the guest\n');
    expect(statSync(join(data, 'inner/new')).mode & 0o777).toBe(0o640);
    writeFileSync(join(data, 'later'), 'made later\n');
    await expect(daemon.must('exec', 'box', 'cat', '/ro/later')).resolves.toBe('made later');
  });

  it('what is read-only is so on the host: a guest that mounts it anew changes nothing', async () => {
    const result = await daemon.viv(['exec', '--privileged', 'box', 'sh', '-c', 'mount -o remount,rw /ro; echo x > /ro/file; echo x > /etc/motd']);
    expect(result.code).not.toBe(0);
    expect(result.stderr).toMatch(/Read-only file system/);
    expect(readFileSync(join(data, 'file'), 'utf8')).toBe('of the host\n');
  });

  it('one file is a file, and memory has the size that it was given', async () => {
    await expect(daemon.must('exec', 'box', 'cat', '/etc/motd')).resolves.toBe('of the host');
    const sizes = await daemon.must('exec', 'box', 'df', '-k', '/scratch', '/dev/shm');
    expect(sizes.split('\n').slice(1).map((line) => line.split(/\s+/)[1])).toEqual(['1024', '2048']);
    expect((await daemon.viv(['exec', 'box', 'dd', 'if=/dev/zero', 'of=/scratch/big', 'bs=64k', 'count=32'])).stderr).toContain('No space left');
  });

  it('they outlive a daemon that is killed, and are nobody else\'s', async () => {
    await daemon.crash();
    await daemon.boot();
    await expect(daemon.must('exec', 'box', 'cat', '/data/later')).resolves.toBe('made later');
    await daemon.must('doctor', 'audit');
  });

  it('a container that is stopped and started sees them again; one whose source is gone says which', async () => {
    await daemon.must('stop', '-t', '0', 'box');
    await daemon.must('start', 'box');
    await expect(daemon.must('exec', 'box', 'cat', '/data/later')).resolves.toBe('made later');
    const { containers } = await daemon.json<{ containers: { sandboxId: string }[] }>('ps');
    const sandbox = containers[0]?.sandboxId ?? '';
    await daemon.must('sandbox', 'stop', '--force', sandbox);
    expect(mountsOfDaemon()).toEqual([]);
    renameSync(data, `${data}-moved`);
    const refused = await daemon.viv(['sandbox', 'start', sandbox]);
    expect(`${refused.stdout}${refused.stderr}`).toContain(`${data} does not exist`);
    renameSync(`${data}-moved`, data);
  });

  it('a source that is none is refused with its field, and the sandbox made for it goes', async () => {
    const { sandboxes: before } = await daemon.json<{ sandboxes: { id: string }[] }>('sandbox', 'ls');
    const refused = await daemon.viv(['run', '--rm', '-v', '/no/such:/data', '--mount', `type=bind,src=${data}/missing,dst=/b`, 'busybox', 'true']);
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain('spec.mounts[0].bind.source: /no/such does not exist');
    expect(refused.stderr).toContain('spec.mounts[1].bind.source');
    await expect(daemon.json('sandbox', 'ls')).resolves.toMatchObject({ sandboxes: before.map(({ id }) => ({ id })) });
  });

  it('their removal leaves what they showed', async () => {
    const { sandboxes } = await daemon.json<{ sandboxes: { id: string }[] }>('sandbox', 'ls');
    for (const { id } of sandboxes) await daemon.must('sandbox', 'rm', '-f', id);
    expect(mountsOfDaemon()).toEqual([]);
    expect(existsSync(join(data, 'inner/new'))).toBe(true);
    expect(daemon.leftovers()).toEqual([]);
  });
});
