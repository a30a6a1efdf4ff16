import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FAKE_VMM, TestDaemon } from './daemon.ts';

const PLAIN = [`hypervisor_path = "${FAKE_VMM}"`, 'accelerator = "tcg"', 'shared_fs = "none"', 'memory = "64MiB"', 'memory_overhead = "0MiB"'];
const FAULTS = ['device-del-hangs', 'unplug-refused', 'plug-unseen', 'die-on:device_add', 'die-on:device_del', 'die-on:blockdev-add'];

const profileOf = (fault: string): string => fault.replace(/[:_]/g, '-');

/** VMMs and guests that do not do with a device what they should. */
describe('a device in a VM that fails', () => {
  let daemon: TestDaemon;

  beforeAll(async () => {
    daemon = await TestDaemon.start({ profiles: Object.fromEntries(FAULTS.map((fault) => [profileOf(fault), [...PLAIN, `kernel_params = "fake.fault=${fault}"`].join('\n')])) });
    writeFileSync(join(daemon.home, 'd.img'), '');
    truncateSync(join(daemon.home, 'd.img'), 1 << 20);
  });

  afterAll(async () => {
    await daemon[Symbol.asyncDispose]();
  });

  async function attach(fault: string): Promise<{ readonly code: number; readonly stderr: string }> {
    const name = profileOf(fault);
    await daemon.must('sandbox', 'create', '--name', name, '--profile', name);
    return await daemon.viv(['device', 'attach', name, '--id', 'd', `block:${join(daemon.home, 'd.img')},ro`]);
  }

  async function states(fault: string): Promise<readonly string[]> {
    const { devices } = await daemon.json<{ devices: readonly { readonly state: string }[] }>('device', 'ls', profileOf(fault));
    return devices.map(({ state }) => state.replace('DEVICE_STATE_', ''));
  }

  it('stays attached when the guest refuses to let go', async () => {
    expect(await attach('unplug-refused')).toMatchObject({ code: 0 });
    expect(await daemon.viv(['device', 'detach', profileOf('unplug-refused'), 'd'])).toMatchObject({ code: 1, stderr: expect.stringContaining('the guest refuses to let go of device d') as string });
    expect(await states('unplug-refused')).toEqual(['ATTACHED']);
  });

  it('stays unplugging when the guest does not answer, with its port reserved, and its sandbox can be deleted', async () => {
    const name = profileOf('device-del-hangs');
    expect(await attach('device-del-hangs')).toMatchObject({ code: 0 });
    expect(await daemon.viv(['device', 'detach', name, 'd'])).toMatchObject({ code: 1, stderr: expect.stringContaining('the guest did not let go of the device within 10 s') as string });
    expect(await states('device-del-hangs')).toEqual(['UNPLUGGING']);
    expect(await daemon.json('device', 'ls', name)).toMatchObject({ freeSlots: 3 });
    await daemon.must('sandbox', 'rm', '-f', name);
  });

  it('is taken back when the guest does not see it', async () => {
    expect(await attach('plug-unseen')).toMatchObject({ code: 1, stderr: expect.stringContaining('the guest saw no device at 10.0/00.0') as string });
    expect(await states('plug-unseen')).toEqual([]);
  });

  it.each(['die-on:blockdev-add', 'die-on:device_add'])('is gone with a VMM that dies in the middle of its plug (%s)', async (fault) => {
    expect(await attach(fault)).toMatchObject({ code: 1, stderr: expect.stringContaining('QEMU was ended by signal 9') as string });
    await daemon.must('sandbox', 'wait', profileOf(fault));
    expect(await states(fault)).toEqual([]);
  });

  it('is gone with a VMM that dies in the middle of its unplug', async () => {
    expect(await attach('die-on:device_del')).toMatchObject({ code: 0 });
    expect((await daemon.viv(['device', 'detach', profileOf('die-on:device_del'), 'd'])).code).toBe(1);
    await daemon.must('sandbox', 'wait', profileOf('die-on:device_del'));
    expect(await states('die-on:device_del')).toEqual([]);
  });
});
