import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { VmEvent, VmSession, VmSpec } from '../../src/core/ports/hypervisor.ts';
import { ProcessTable } from '../../src/host/process-identity.ts';
import { SystemClock } from '../../src/host/system-clock.ts';
import { SystemProcessRunner } from '../../src/host/process-runner.ts';
import { payloadArgs } from '../../src/hypervisors/qemu/accel.ts';
import { EXIT_CODE, kvmPayload } from '../../src/hypervisors/qemu/kvm-payload.ts';
import { CHATTER, IDLE, POWER_OFF, RESET, realDriver, tinyGuest, vmSpec } from './qemu-parts.ts';

const QEMU = '/usr/bin/qemu-system-x86_64';
let cache: string;
let directory: string;
let session: VmSession | undefined;
let parts: ReturnType<typeof realDriver>;
const processes = new ProcessTable();

beforeAll(async () => { cache = await mkdtemp('/tmp/vv-cache-'); });
afterAll(async () => { await rm(cache, { recursive: true, force: true }); });
beforeEach(async () => {
  directory = await mkdtemp('/tmp/vv-qemu-');
  parts = realDriver(cache);
});
afterEach(async () => {
  await session?.kill();
  session?.release();
  session = undefined;
  await rm(directory, { recursive: true, force: true });
});

async function guest(code: readonly number[], more: Partial<VmSpec> = {}): Promise<VmSpec> {
  const kernel = join(directory, 'guest');
  const runDir = join(directory, 'run');
  await mkdir(runDir, { recursive: true });
  await writeFile(kernel, tinyGuest(code));
  return vmSpec(runDir, { kernel, ...more });
}

function collect(from: VmSession): { events: VmEvent[]; next: (kind: VmEvent['kind']) => Promise<VmEvent> } {
  const events: VmEvent[] = [];
  let wake = (): void => {};
  from.onEvent((event) => {
    events.push(event);
    wake();
  });
  const next = async (kind: VmEvent['kind']): Promise<VmEvent> => {
    for (;;) {
      const found = events.find((event) => event.kind === kind);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => { wake = resolve; });
    }
  };
  return { events, next };
}

describe('probe', () => {
  it('says what this QEMU can do, and answers from its cache', async () => {
    const info = await parts.driver.probe(QEMU);
    expect(info).toMatchObject({ name: 'qemu', usable: true, reason: '', machines: ['q35', 'microvm'] });
    expect(info.capabilities).toContain('vhost-user-fs-pci');
    expect(info.accelerators.find(({ name }) => name === 'tcg')).toMatchObject({ usable: true });
    const again = realDriver(cache);
    const started = performance.now();
    expect(await again.driver.probe(QEMU)).toEqual(info);
    expect(performance.now() - started).toBeLessThan(50);
  });

  it('says why another program cannot be used', async () => {
    await expect(parts.driver.probe('/nonexistent/qemu')).resolves.toMatchObject({ usable: false, reason: expect.stringContaining('there is no') as unknown });
    await expect(parts.driver.probe('/bin/true')).resolves.toMatchObject({ usable: false, reason: expect.stringContaining('does not answer like QEMU') as unknown });
  });

  it('its test guest runs under emulation', async () => {
    const payload = join(directory, 'payload');
    await writeFile(payload, kvmPayload());
    await expect(new SystemProcessRunner().run(QEMU, payloadArgs('tcg', payload), { timeoutMs: 20_000 })).resolves.toMatchObject({ code: EXIT_CODE });
  });
});

describe('launch', () => {
  it('starts a VM, tells the mode and the phases, and ends it', async () => {
    const phases: string[] = [];
    const spec = await guest(IDLE);
    session = await parts.driver.launch(spec, { onPhase: (name) => { phases.push(name); } });
    expect(phases).toEqual(['vmm-check', 'vmm-start', 'vmm-monitor']);
    expect(session.mode).toMatchObject({ hypervisor: 'qemu', hypervisorVersion: expect.stringMatching(/^\d+\.\d+\.\d+$/) as unknown, machine: 'q35', transport: 'virtio-serial' });
    await expect(session.status()).resolves.toBe('running');
    expect(await processes.isAlive(session.ref.process)).toBe(true);
    const end = await session.kill();
    expect(end).toMatchObject({ kind: 'signalled', signal: 9 });
    expect(await processes.isAlive(session.ref.process)).toBe(false);
    await expect(session.pause()).rejects.toMatchObject({ name: 'DomainError' });
  });

  it('pauses and resumes, told by events in order', async () => {
    session = await parts.driver.launch(await guest(IDLE), {});
    const { events, next } = collect(session);
    await session.pause();
    await expect(session.status()).resolves.toBe('paused');
    await session.resume();
    await next('resumed');
    expect(events.map(({ kind }) => kind)).toEqual(['paused', 'resumed']);
  });

  it('keeps the console', async () => {
    session = await parts.driver.launch(await guest(CHATTER), {});
    const clock = new SystemClock();
    let text = '';
    for (let tries = 0; tries < 200 && !text.includes('hi\nhi\n'); tries += 1) {
      await clock.sleep(50);
      text = await session.consoleTail(4096);
    }
    expect(text).toContain('hi\nhi\n');
  });

  it.each([
    ['powers off', POWER_OFF, 'guest-shutdown'],
    ['resets', RESET, 'guest-reboot'],
  ] as const)('a guest that %s ends its process, after the event', async (_name, code, kind) => {
    session = await parts.driver.launch(await guest(code), {});
    const { events, next } = collect(session);
    await next(kind);
    await expect(session.ended).resolves.toMatchObject({ kind: 'exited', code: 0 });
    expect(events.map((event) => event.kind)).toEqual([kind]);
  });

  it('rejects with the stderr when QEMU refuses', async () => {
    const spec = await guest(IDLE, { cpuModel: 'no-such-cpu' });
    await expect(parts.driver.launch(spec, {})).rejects.toMatchObject({ reason: 'VMM_EXITED', message: expect.stringContaining('no-such-cpu') as unknown });
  });

  it('refuses before anything is started: a missing kernel, a long path, KVM that does not work', async () => {
    const spec = await guest(IDLE);
    await expect(parts.driver.launch({ ...spec, kernel: '/nonexistent/vmlinux' }, {})).rejects.toMatchObject({ reason: 'GUEST_NOT_FOUND' });
    await expect(parts.driver.launch({ ...spec, runDir: `/tmp/${'x'.repeat(90)}` }, {})).rejects.toThrow(/longer than 107 bytes/);
    await expect(parts.driver.launch({ ...spec, vmmPath: '/bin/true' }, {})).rejects.toMatchObject({ reason: 'VMM_NOT_USABLE' });
  });

  it('leaves nothing when the caller gives up', async () => {
    const source = new AbortController();
    const spec = await guest(IDLE);
    const launching = parts.driver.launch(spec, { signal: source.signal, onPhase: (name) => { if (name === 'vmm-start') source.abort(new Error('caller left')); } });
    await expect(launching).rejects.toThrow('caller left');
    const left = await parts.launcher.adopt(join(spec.runDir, 'vmm'));
    await expect(left?.ended).resolves.toMatchObject({ kind: 'signalled', signal: 9 });
  });

  it('a VMM killed from outside ends the session', async () => {
    session = await parts.driver.launch(await guest(IDLE), {});
    process.kill(session.ref.process.pid, 'SIGKILL');
    await expect(session.ended).resolves.toMatchObject({ kind: 'signalled', signal: 9 });
  });
});

describe('adopt', () => {
  it('finds a VM of an earlier daemon, drives it and hears its end', async () => {
    const spec = await guest(IDLE);
    const first = await parts.driver.launch(spec, {});
    await first.pause();
    first.release();
    const second = realDriver(cache);
    session = await second.driver.adopt(first.ref, spec, {});
    expect(session?.mode).toEqual(first.mode);
    const { events } = collect(session!);
    await expect(session!.status()).resolves.toBe('paused');
    expect(events).toEqual([{ kind: 'paused' }, { kind: 'compared', differences: [] }]);
    await session!.resume();
    await expect(session!.kill()).resolves.toMatchObject({ signal: 9 });
  });

  it('answers undefined when its process is gone, and for another process', async () => {
    const spec = await guest(IDLE);
    const first = await parts.driver.launch(spec, {});
    const other = { ...first.ref, process: { ...first.ref.process, startTime: '1' } };
    await expect(parts.driver.adopt(other, spec, {})).resolves.toBeUndefined();
    await first.kill();
    first.release();
    await expect(parts.driver.adopt(first.ref, spec, {})).resolves.toBeUndefined();
  });
});
