import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestDaemon } from './daemon.ts';

const MIB = 1 << 20;

interface DeviceJson {
  readonly id: string;
  readonly state: string;
  readonly containerId?: string;
}

interface SandboxJson {
  readonly vmmPid: number;
  readonly conditions?: readonly object[];
}

/** Devices of every kind, and what containers see of them. */
describe('devices for containers in a real VM', () => {
  let daemon: TestDaemon;

  beforeAll(async () => {
    daemon = await TestDaemon.start({ profiles: { many: 'pcie_ports = 32\n' } });
    await daemon.must('sandbox', 'create', '--name', 'sb', '--profile', 'many');
  });

  afterAll(async () => {
    await daemon[Symbol.asyncDispose]();
  });

  function disk(name: string, bytes = 4 * MIB): string {
    const path = join(daemon.home, `${name}.img`);
    writeFileSync(path, `this is ${name}\n`);
    truncateSync(path, bytes);
    return path;
  }

  const devices = async (): Promise<readonly DeviceJson[]> => (await daemon.json<{ devices: readonly DeviceJson[] }>('device', 'ls', 'sb')).devices;
  const inspect = async (): Promise<SandboxJson> => (JSON.parse(await daemon.must('sandbox', 'inspect', 'sb')) as [SandboxJson])[0];
  const run = (options: readonly string[], script: string): Promise<string> => daemon.must('run', '--rm', '--sandbox', 'sb', ...options, 'busybox', '--', 'sh', '-c', script);

  it('a disk that a container brings is a node in it, and leaves with it', async () => {
    const path = disk('own');
    const script = 'head -n 1 /dev/data; stat -c %F /dev/data; echo written | dd of=/dev/data bs=512 seek=1 conv=sync,fsync 2>/dev/null; cat /sys/block/*/serial';
    expect(await run(['--device', `block:${path},target=/dev/data,serial=mine`], script)).toBe('this is own\nblock special file\nmine');
    expect(readFileSync(path).subarray(512, 519).toString()).toBe('written');
    expect(await devices()).toEqual([]);
  });

  it("a node of the guest's own is the guest's, and one that it does not have is refused in words", async () => {
    expect(await run(['--device', '/dev/null:/dev/nothing', '--device', '/dev/fuse'], 'stat -c "%t:%T" /dev/nothing /dev/fuse')).toBe('1:3\na:e5');
    const missing = await daemon.viv(['run', '--rm', '--sandbox', 'sb', '--device', '/dev/no-such-thing', 'busybox', '--', 'true']);
    expect(missing).toMatchObject({ code: 125, stderr: expect.stringContaining('the guest has no device /dev/no-such-thing') as string });
    expect(await daemon.viv(['run', '--rm', '--sandbox', 'sb', '--device', '/dev/vfio/16', 'busybox', '--', 'true'])).toMatchObject({ code: 125 });
  });

  it('a container opens what it was given and nothing else, with the permissions that were said', async () => {
    const script = ['head -c 1 /dev/ro > /dev/null && echo read', 'echo x 2>/dev/null > /dev/ro || echo no-write', 'mknod /tmp/other c 1 1 && head -c 1 /tmp/other 2>/dev/null || echo no-other', 'echo > /dev/null && echo null'];
    expect(await run(['--device', `block:${disk('ro')},target=/dev/ro,permissions=r`], script.join('; '))).toBe('read\nno-write\nno-other\nnull');
  });

  it('a disk has the cache, the way of access and the sectors that were said', async () => {
    await daemon.must('run', '-d', '--name', 'box', '--sandbox', 'sb', '--privileged', 'busybox', '--', 'sleep', '1000000');
    const sh = (text: string): Promise<string> => daemon.must('exec', '--privileged', 'box', 'sh', '-c', text);
    const guest = await daemon.must('device', 'attach', 'sb', '--id', 's', `block:${disk('sectors')},cache=none,aio=native,discard,logical=512,physical=4096`);
    expect(guest).toMatch(/^\/dev\/vd/);
    const queue = `/sys/block/${guest.replace('/dev/', '')}/queue`;
    expect(await sh(`cat ${queue}/logical_block_size ${queue}/physical_block_size; mknod /tmp/s b $(cat ${queue}/../dev | tr : ' '); head -n 1 /tmp/s`)).toBe('512\n4096\nthis is sectors');
    await daemon.must('device', 'detach', 'sb', 's');
    expect(await sh('ls /sys/block')).not.toContain('vd');
    expect(await daemon.viv(['device', 'attach', 'sb', '--id', 'x', `block:${disk('n')},bus=nvdimm`])).toMatchObject({ code: 1, stderr: expect.stringContaining('has no slots for one while it runs') as string });
    expect(await daemon.viv(['device', 'attach', 'sb', '--id', 'x', `block:${disk('n')},bus=virtio-scsi`])).toMatchObject({ code: 1, stderr: expect.stringContaining('use bus=virtio-blk') as string });
    expect((await inspect()).conditions).toBeUndefined();
  });

  it('31 disks at once are there together, and the next but one is told the number of ports', async () => {
    const ids = Array.from({ length: 31 }, (_, index) => `n${index}`);
    const attach = (id: string): ReturnType<TestDaemon['viv']> => daemon.viv(['device', 'attach', 'sb', '--id', id, `block:${disk(id, MIB)}`]);
    for (let first = 0; first < ids.length; first += 8) expect((await Promise.all(ids.slice(first, first + 8).map(attach))).map(({ code, stderr }) => (code === 0 ? '' : stderr)).join('')).toBe('');
    expect((await daemon.must('exec', '--privileged', 'box', 'sh', '-c', 'ls -d /sys/block/vd*')).split('\n')).toHaveLength(31);
    expect((await attach('n31')).code).toBe(0);
    expect(await attach('n32')).toMatchObject({ code: 1, stderr: expect.stringContaining('all 32 ports of the VM are taken') as string });
    await daemon.must('device', 'detach', 'sb', ...ids, 'n31');
    expect(await devices()).toEqual([]);
  });

  it('a vhost-user disk is what its back end serves, for a container too; one that is not there, or dies, is told', async () => {
    const socket = join(daemon.home, 'vu.sock');
    const image = disk('vhost');
    expect(await daemon.viv(['device', 'attach', 'sb', '--id', 'v', `vhost-user-blk:${socket}`])).toMatchObject({ code: 1, stderr: expect.stringContaining('start the back end first') as string });
    let backend = await storageDaemon(image, socket);
    try {
      expect(await run(['--device', `vhost-user-blk:${socket},target=/dev/v`], 'head -n 1 /dev/v; echo over | dd of=/dev/v bs=512 seek=1 conv=sync,fsync 2>/dev/null')).toBe('this is vhost');
      expect(readFileSync(image).subarray(512, 516).toString()).toBe('over');
      await daemon.must('device', 'attach', 'sb', '--id', 'v', `vhost-user-blk:${socket}`);
      expect(await devices()).toMatchObject([{ id: 'v', state: 'DEVICE_STATE_ATTACHED' }]);
      await end(backend);
      await daemon.must('device', 'detach', '--force', 'sb', 'v');
      expect(await daemon.viv(['device', 'attach', 'sb', '--id', 'v', `vhost-user-blk:${socket}`])).toMatchObject({ code: 1, stderr: expect.stringMatching(/Connection refused|start the back end/) as string });
      expect(await devices()).toEqual([]);
      backend = await storageDaemon(image, socket);
      await daemon.must('device', 'attach', 'sb', '--id', 'v', `vhost-user-blk:${socket}`);
      await daemon.must('device', 'detach', 'sb', 'v');
    } finally {
      await end(backend);
    }
  });

  it('a network card with a tap device of its own comes and goes, in the network namespace of the VM', async () => {
    const links = async (): Promise<string> => await daemon.must('exec', '--privileged', 'box', 'ls', '/sys/class/net');
    const before = await links();
    await daemon.must('device', 'attach', 'sb', '--id', 'n0', 'net:tap,mac=52:54:00:ab:cd:ef,queues=2');
    const [name = ''] = (await links()).split('\n').filter((link) => !before.split('\n').includes(link));
    expect(await daemon.must('exec', '--privileged', 'box', 'cat', `/sys/class/net/${name}/address`)).toBe('52:54:00:ab:cd:ef');
    const { vmmPid } = await inspect();
    const taps = (): string => execFileSync('nsenter', ['-n', '-t', String(vmmPid), 'ip', '-br', 'link', 'show', 'type', 'tun']).toString();
    expect(taps()).toMatch(/^tap0 +\S+ /);
    await daemon.crash();
    await daemon.boot();
    await daemon.must('device', 'detach', 'sb', 'n0');
    expect([await links(), taps()]).toEqual([before, '']);
  });

  it('a container that outlives a daemon that is killed keeps its disk, and takes it along in the end', async () => {
    await daemon.must('run', '-d', '--name', 'kept', '--sandbox', 'sb', '--device', `block:${disk('kept')},target=/dev/kept,ro`, 'busybox', '--', 'sleep', '1000000');
    await daemon.crash();
    await daemon.boot();
    expect(await devices()).toMatchObject([{ state: 'DEVICE_STATE_ATTACHED' }]);
    expect(await daemon.must('exec', 'kept', 'head', '-n', '1', '/dev/kept')).toBe('this is kept');
    expect((await daemon.viv(['exec', 'kept', 'sh', '-c', 'echo x > /dev/kept'])).code).not.toBe(0);
    await daemon.must('rm', '-f', 'kept');
    expect(await devices()).toEqual([]);
  });
});

/** QEMU's own back end, serving an image. */
async function storageDaemon(image: string, socket: string): Promise<ChildProcess> {
  const child = spawn('qemu-storage-daemon', ['--blockdev', `driver=file,node-name=f,filename=${image}`, '--export', `type=vhost-user-blk,id=e,node-name=f,writable=on,addr.type=unix,addr.path=${socket}`], { stdio: 'ignore' });
  while (!existsSync(socket)) await Promise.race([delay(20), once(child, 'exit').then(() => { throw new Error('qemu-storage-daemon ended'); })]);
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}
