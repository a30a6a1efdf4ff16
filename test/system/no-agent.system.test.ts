import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestDaemon } from './daemon.ts';

const FAKE_VMM = join(dirname(fileURLToPath(import.meta.url)), '../../target/x86_64-unknown-linux-gnu/release/fake-vmm');
const PROFILE = [`hypervisor_path = "${FAKE_VMM}"`, 'accelerator = "tcg"', 'shared_fs = "none"', 'memory = "64MiB"', 'agent = "none"'].join('\n');

describe('a guest without an agent', () => {
  let daemon: TestDaemon;

  beforeAll(async () => {
    daemon = await TestDaemon.start({ profiles: { mute: PROFILE } });
    await daemon.must('sandbox', 'create', '--profile', 'mute', '--name', 'vm');
  });

  afterAll(async () => {
    await daemon[Symbol.asyncDispose]();
  });

  async function state(): Promise<string | undefined> {
    const { sandboxes } = await daemon.json<{ sandboxes: { state: string }[] }>('sandbox', 'ls');
    return sandboxes[0]?.state;
  }

  it('has its containers refused, and says what to do', async () => {
    const refused = await daemon.viv(['run', '--sandbox', 'vm', 'busybox', '--', 'true']);
    expect(refused).toMatchObject({ code: 125, stderr: expect.stringMatching(/the guest has no agent[\s\S]*agent = "viv-agent"/) as string });
    await expect(daemon.must('ps', '-a', '-q')).resolves.toBe('');
  });

  it('is paused and resumed', async () => {
    await daemon.must('sandbox', 'pause', 'vm');
    expect(await state()).toBe('SANDBOX_STATE_PAUSED');
    await daemon.must('sandbox', 'resume', 'vm');
    expect(await state()).toBe('SANDBOX_STATE_READY');
  });

  it('is found again by a daemon that was killed', async () => {
    await daemon.crash();
    await daemon.boot();
    expect(await state()).toBe('SANDBOX_STATE_READY');
  });

  it('is stopped and started', async () => {
    await daemon.must('sandbox', 'stop', 'vm');
    expect(await state()).toBe('SANDBOX_STATE_STOPPED');
    await daemon.must('sandbox', 'start', 'vm');
    expect(await state()).toMatch(/^SANDBOX_STATE_(READY|RUNNING)$/);
  });
});
