import { execFileSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestDaemon } from './daemon.ts';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');
const FAKE_VMM = join(ROOT, 'target/x86_64-unknown-linux-gnu/release/fake-vmm');

/** A profile whose VMM is the fake one, with a fault. */
function faulty(fault: string, more = ''): string {
  return [`hypervisor_path = "${FAKE_VMM}"`, 'accelerator = "tcg"', 'shared_fs = "none"', 'memory = "64MiB"', 'boot_timeout = "2s"', 'create_timeout = "6s"', fault === '' ? '' : `kernel_params = "fake.fault=${fault}"`, more].join('\n');
}

const CREATE_FAULTS: readonly (readonly [name: string, profile: string, says: RegExp])[] = [
  ['vmm-missing', `hypervisor_path = "/nonexistent/qemu"\nshared_fs = "none"`, /\/nonexistent\/qemu/],
  ['kernel-missing', 'kernel = "/nonexistent/vmlinux"\ninitrd = "/nonexistent/initrd"', /kernel/],
  ['guest-missing', 'guest = "nosuch"', /nosuch/],
  ['exits-at-start', faulty('exit-at-start:3'), /code 3|exit/i],
  ['boot-hangs', faulty('boot-hang'), /the console's last line: fake: waiting for root device/],
  ['boot-panics', faulty('boot-panic'), /panic|ended/i],
  ['link-mute', faulty('link-mute'), /agent|answer|ms|time/i],
  ['agent-mute', faulty('agent-mute'), /agent|answer|time/i],
  ['agent-garbage', faulty('agent-garbage:Check'), /agent|protocol|garbage|link|answer/i],
  ['agent-oversized', faulty('agent-oversized:Check'), /agent|large|bytes|link|answer/i],
  ['qmp-no-greeting', faulty('qmp-no-greeting'), /QMP|monitor|greeting|time/i],
  ['qmp-garbage', faulty('qmp-garbage'), /QMP|monitor|JSON/i],
  ['dies-in-set-up', faulty('die-on:CreateSandbox'), /ended/i],
];

describe('a create that goes wrong', () => {
  let daemon: TestDaemon;

  beforeAll(async () => {
    daemon = await TestDaemon.start({ profiles: { good: faulty(''), ...Object.fromEntries(CREATE_FAULTS.map(([name, profile]) => [name, profile])) } });
  });

  afterAll(async () => {
    await daemon[Symbol.asyncDispose]();
  });

  it.each(CREATE_FAULTS)('%s: is a typed error with what to do, and leaves an empty host', async (name, _profile, says) => {
    const result = await daemon.viv(['sandbox', 'create', '--profile', name]);
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(says);
    await expect(daemon.must('sandbox', 'ls', '-q')).resolves.toBe('');
    expect(daemon.leftovers()).toEqual([]);
  });

  it('does not spoil the next one', async () => {
    const id = await daemon.must('sandbox', 'create', '--profile', 'good');
    await daemon.must('sandbox', 'rm', '-f', id);
  });

  it.each([
    ['qmp-unknown-fields', 'an answer with fields that no schema knows'],
    ['qmp-huge-line', 'lines of 20 MiB'],
    ['agent-slow:20', 'a slow agent'],
    ['boot-delay:300', 'a slow boot'],
    ['link-garbage', 'noise before the agent answers'],
  ])('%s is not an error: %s', async (fault) => {
    const other = await TestDaemon.start({ profiles: { odd: faulty(fault).replace('"6s"', '"60s"').replace('"2s"', '"30s"') } });
    try {
      await other.must('sandbox', 'create', '--profile', 'odd');
    } finally {
      await other[Symbol.asyncDispose]();
    }
  });
});

describe('a host with room for four', () => {
  it('takes four of 200 creates at once, refuses the rest with the numbers, and takes more when there is room', async () => {
    const daemon = await TestDaemon.start({ profiles: { good: faulty('') }, flags: ['--admission-memory', '256MiB', '--admission-queue-length', '16', '--admission-queue-timeout', '2s'] });
    try {
      const results = await createMany(daemon, 200);
      const made = results.filter((code) => code === 'OK');
      const refused = results.filter((code) => code === 'RESOURCE_EXHAUSTED');
      expect(made).toHaveLength(4);
      expect(refused).toHaveLength(196);
      await daemon.must('sandbox', 'rm', '-f', (await daemon.must('sandbox', 'ls', '-q')).split('\n')[0] ?? '');
      await daemon.must('sandbox', 'create', '--profile', 'good');
    } finally {
      await daemon[Symbol.asyncDispose]();
    }
  });
});

describe('a host without the memory', () => {
  it('refuses a real VM larger than it could ever be, with the number, and is empty afterwards', async () => {
    const daemon = await TestDaemon.start({ profiles: { huge: 'memory = "100TiB"' }, flags: ['--admission-memory', '200000GiB'] });
    try {
      const result = await daemon.viv(['sandbox', 'create', '--profile', 'huge']);
      expect(result.code).toBe(1);
      expect(result.stderr).toMatch(/no room for a guest of \d{15} bytes: QEMU exited with code 1: .*Cannot allocate memory/);
      await expect(daemon.must('sandbox', 'ls', '-q')).resolves.toBe('');
      expect(daemon.leftovers()).toEqual([]);
    } finally {
      await daemon[Symbol.asyncDispose]();
    }
  });
});

describe('a VMM that is killed', () => {
  it('stops its sandbox with the cause, and its container says so too', async () => {
    const daemon = await TestDaemon.start({ profiles: { good: faulty('') } });
    try {
      const sandbox = await daemon.must('sandbox', 'create', '--profile', 'good', '--name', 'victim');
      await daemon.must('run', '-d', '--sandbox', sandbox, '--name', 'c', 'busybox', '--', 'sleep', '1000');
      const { sandboxes } = await daemon.json<{ sandboxes: { vmmPid: number }[] }>('sandbox', 'ls');
      process.kill(sandboxes[0]?.vmmPid ?? 0, 'SIGKILL');
      await expect(daemon.viv(['wait', 'c'])).resolves.toMatchObject({ stdout: '255\n' });
      await expect(daemon.must('sandbox', 'inspect', 'victim')).resolves.toContain('CAUSE_VMM_CRASH');
    } finally {
      await daemon[Symbol.asyncDispose]();
    }
  });
});

describe('a second daemon', () => {
  it('is refused the directory of the first, and the first does not notice', async () => {
    const daemon = await TestDaemon.start();
    try {
      expect(() => execFileSync(join(ROOT, 'bin/vivd'), ['--root', daemon.root, '--run', join(daemon.home, 'other'), '--metrics', 'none'], { stdio: 'pipe' })).toThrow(/another daemon/);
      await daemon.must('sandbox', 'ls');
    } finally {
      await daemon[Symbol.asyncDispose]();
    }
  });
});

/** Creates many sandboxes at once over one connection and answers the status of each. */
async function createMany(daemon: TestDaemon, count: number): Promise<string[]> {
  const { createChannel, createClient, ClientError, Status } = await import('nice-grpc');
  const { SandboxServiceDefinition, SandboxSpec } = await import('../../src/gen/vivarium/v1/sandbox.ts');
  const channel = createChannel(daemon.host.replace('unix:', 'unix://'));
  const client = createClient(SandboxServiceDefinition, channel);
  const results = await Promise.all(
    Array.from({ length: count }, async () => {
      try {
        await client.createSandbox({ requestId: '', spec: SandboxSpec.fromPartial({ profile: 'good' }) });
        return 'OK';
      } catch (error) {
        return error instanceof ClientError ? Status[error.code] : String(error);
      }
    }),
  );
  channel.close();
  return results;
}
