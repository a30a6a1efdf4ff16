import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestDaemon } from './daemon.ts';

const MIB = 1 << 20;

interface DeviceJson {
  readonly id: string;
  readonly state: string;
  readonly containerId?: string;
}

/** Devices of every kind, and what containers see of them. */
describe('devices for containers in a real VM', () => {
  let daemon: TestDaemon;

  beforeAll(async () => {
    daemon = await TestDaemon.start();
    await daemon.must('sandbox', 'create', '--name', 'sb');
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
