import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, readSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestDaemon } from './daemon.ts';

const MIB = 1 << 20;

interface DeviceJson {
  readonly id: string;
  readonly state: string;
  readonly guestPath: string;
  readonly pciAddress: string;
}

/** Disks that come and go in a VM that runs, seen from the host and from a container inside. */
describe('disks in a real VM', () => {
  let daemon: TestDaemon;

  beforeAll(async () => {
    daemon = await TestDaemon.start({ profiles: { six: 'pcie_ports = 6\n' } });
    await daemon.must('sandbox', 'create', '--name', 'sb', '--profile', 'six');
    await daemon.must('run', '-d', '--name', 'box', '--sandbox', 'sb', '--privileged', 'busybox', '--', 'sleep', '1000000');
  });

  afterAll(async () => {
    await daemon[Symbol.asyncDispose]();
  });

  function disk(name: string, bytes = 16 * MIB): string {
    const path = join(daemon.home, `${name}.img`);
    writeFileSync(path, '');
    truncateSync(path, bytes);
    return path;
  }

  const sh = (script: string): Promise<string> => daemon.must('exec', '--privileged', 'box', 'sh', '-c', script);
  const attach = (id: string, what: string): Promise<string> => daemon.must('device', 'attach', 'sb', '--id', id, `block:${what}`);
  const refused = async (id: string, what: string): Promise<string> => (await daemon.viv(['device', 'attach', 'sb', '--id', id, `block:${what}`])).stderr;
  const devices = async (): Promise<readonly DeviceJson[]> => (await daemon.json<{ devices: readonly DeviceJson[] }>('device', 'ls', 'sb')).devices;
  /** A node for a disk of the guest, at a path in the container. */
  const node = (name: string, at: string): Promise<string> => sh(`rm -f ${at}; mknod ${at} b $(cat /sys/block/${name}/dev | tr : ' ')`);

  it('are there when the answer comes, with their size and serial, and what is written to them is on the host', async () => {
    const path = disk('a');
    const guest = await attach('a', `${path},serial=abc-1`);
    const name = guest.replace('/dev/', '');
    await node(name, '/tmp/a');
    expect(await sh(`cat /sys/block/${name}/size /sys/block/${name}/serial; echo; echo hello | dd of=/tmp/a bs=512 conv=sync 2>/dev/null; sync`)).toBe(`${(16 * MIB) / 512}\nabc-1`);
    const bytes = Buffer.alloc(5);
    const file = openSync(path, 'r');
    readSync(file, bytes);
    closeSync(file);
    expect(bytes.toString()).toBe('hello');
    expect(await devices()).toMatchObject([{ id: 'a', state: 'DEVICE_STATE_ATTACHED', guestPath: guest, pciAddress: expect.stringMatching(/^0000:[0-9a-f]{2}:00\.0$/) as string }]);
    expect(JSON.parse(await daemon.must('sandbox', 'inspect', 'sb'))).toMatchObject([{ devices: [{ id: 'a', hostPath: path }] }]);
    await daemon.must('device', 'detach', 'sb', 'a');
    expect([await devices(), await sh('ls /sys/block')]).toEqual([[], '']);
  });

  it('come and go three times in the same port, under the same id', async () => {
    const path = disk('b');
    for (let round = 0; round < 3; round += 1) {
      const guest = await attach('b', path);
      expect(await sh('ls /sys/block')).toBe(guest.replace('/dev/', ''));
      await daemon.must('device', 'detach', 'sb', 'b');
    }
    expect(await sh('ls /sys/block')).toBe('');
  });

  it('asked for twice are one, and not another under the same id', async () => {
    const path = disk('c');
    const [one, two] = await Promise.all([attach('c', path), attach('c', path)]);
    expect(one).toBe(two);
    expect(await refused('c', `${path},ro`)).toContain('has another device c');
    await daemon.must('device', 'detach', 'sb', 'c');
  });

  it('that the guest has mounted stay, unless they are forced out', async () => {
    const path = disk('m');
    execFileSync('mkfs.ext4', ['-q', '-F', path]);
    const guest = await attach('m', path);
    await node(guest.replace('/dev/', ''), '/tmp/m');
    await sh('mkdir -p /mnt; mount -t ext4 /tmp/m /mnt; echo kept > /mnt/file');
    const result = await daemon.viv(['device', 'detach', 'sb', 'm']);
    expect(result).toMatchObject({ code: 1, stderr: expect.stringContaining(`${guest} is in use in the guest`) as string });
    await sh('umount /mnt');
    await daemon.must('device', 'detach', 'sb', 'm');
    expect(execFileSync('debugfs', ['-R', 'cat /file', path], { stdio: ['ignore', 'pipe', 'ignore'] }).toString()).toBe('kept\n');

    await node((await attach('m', path)).replace('/dev/', ''), '/tmp/m');
    await sh('mount -t ext4 /tmp/m /mnt');
    await daemon.must('device', 'detach', '--force', 'sb', 'm');
    expect(await devices()).toEqual([]);
    await sh('umount /mnt');
  });

  it('that are 31 at once are as many as there are ports, and the rest is told the limit', async () => {
    const outcomes = await Promise.all(Array.from({ length: 31 }, async (_, index) => {
      const id = `n${index}`;
      return await daemon.viv(['device', 'attach', 'sb', '--id', id, `block:${disk(id, MIB)}`]);
    }));
    expect(outcomes.filter(({ code }) => code === 0)).toHaveLength(6);
    expect(new Set(outcomes.filter(({ code }) => code !== 0).map(({ stderr }) => stderr.split('\n')[0]))).toEqual(new Set(['viv: all 6 ports of the VM are taken']));
    expect((await sh('ls /sys/block')).split('\n')).toHaveLength(6);
    await daemon.must('device', 'detach', 'sb', ...(await devices()).map(({ id }) => id));
    expect(await sh('ls /sys/block')).toBe('');
  });

  it('that nobody should have are refused before anything is touched', async () => {
    const path = disk('used');
    expect(await refused('x', '/nowhere/disk')).toContain('/nowhere/disk is not there');
    expect(await refused('x', daemon.home)).toContain('is a directory');
    expect(await refused('x', `${daemon.run}/vivd.sock`)).toContain('is a socket');
    const root = readFileSync('/proc/self/mountinfo', 'utf8').split('\n').find((line) => line.split(' ')[4] === '/')?.split(' - ')[1]?.split(' ')[1] ?? '';
    expect(await refused('x', root)).toMatch(/is in use: .* is mounted on \/|is not there/);
    execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', join(daemon.home, 'q.qcow2'), '8M']);
    expect(await refused('x', join(daemon.home, 'q.qcow2'))).toContain('begins like qcow2: say format=qcow2');
    expect(await attach('q', `${join(daemon.home, 'q.qcow2')},format=qcow2`)).toMatch(/^\/dev\/vd/);
    await daemon.must('device', 'detach', 'sb', 'q');

    symlinkSync(path, join(daemon.home, 'link'));
    await attach('used', join(daemon.home, 'link'));
    await daemon.must('sandbox', 'create', '--name', 'other');
    expect((await daemon.viv(['device', 'attach', 'other', '--id', 'x', `block:${path},ro`])).stderr).toContain(`${path} is device used of sandbox sb`);
    await daemon.must('sandbox', 'rm', '-f', 'other');
    await daemon.must('device', 'detach', 'sb', 'used');
  });

  it('outlive a daemon that is killed, and are back when their sandbox is started again', async () => {
    const path = disk('k');
    const guest = await attach('k', path);
    await daemon.crash();
    await daemon.boot();
    expect(await devices()).toMatchObject([{ id: 'k', state: 'DEVICE_STATE_ATTACHED', guestPath: guest }]);
    expect(JSON.parse(await daemon.must('sandbox', 'inspect', 'sb'))).toMatchObject([expect.not.objectContaining({ conditions: expect.anything() as unknown })]);
    await daemon.must('sandbox', 'stop', 'sb');
    expect(await devices()).toMatchObject([{ id: 'k', state: 'DEVICE_STATE_KEPT' }]);
    await daemon.must('sandbox', 'start', 'sb');
    expect(await devices()).toMatchObject([{ id: 'k', state: 'DEVICE_STATE_ATTACHED' }]);
    expect(await sh('ls /sys/block')).toBe('vda');
    await daemon.must('device', 'detach', 'sb', 'k');
  });
});
