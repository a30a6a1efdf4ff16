import { beforeEach, describe, expect, it } from 'vitest';
import { DomainError } from '../../../../src/core/model/errors.ts';
import type { HypervisorInfo, VmEvent, VmSession, VmSpec } from '../../../../src/core/ports/hypervisor.ts';
import { QemuDriver } from '../../../../src/hypervisors/qemu/driver.ts';
import type { QemuProbe } from '../../../../src/hypervisors/qemu/probe.ts';
import { FakeLauncher } from '../../../fakes/fake-supervised.ts';
import type { FakeSupervised } from '../../../fakes/fake-supervised.ts';
import { ManualClock, settle } from '../../../fakes/manual-clock.ts';
import { MemoryFiles } from '../../../fakes/memory-files.ts';
import { MemoryLogger } from '../../../fakes/memory-logger.ts';
import { MemoryDialer, MemoryStream } from '../../../fakes/memory-stream.ts';
import { NullMetrics } from '../../../fakes/null-metrics.ts';
import { playQmp } from '../../../fakes/qmp-peer.ts';

const RUN = '/run/v/x';
const spec: VmSpec = {
  name: 'viv-ab12-0123456789', uuid: 'u', runDir: RUN, vmmPath: '/qemu', accelerator: 'auto', machine: 'q35', cpuModel: '', cpus: 1, maxCpus: 1, memoryBytes: 1 << 28,
  hugepages: false, pciePorts: 0, kernel: '/k', initrd: '', image: '', kernelParams: '', sharedFs: undefined,
  diskController: false, agentPort: true, bootTimeoutMs: 1000,
};

let info: HypervisorInfo;
let launcher: FakeLauncher;
let dialer: MemoryDialer;
let clock: ManualClock;
let files: MemoryFiles;
let metrics: NullMetrics;
let logger: MemoryLogger;
let driver: QemuDriver;
let stream: MemoryStream;

beforeEach(() => {
  info = {
    name: 'qemu', path: '/qemu', version: '7.2.22', usable: true, reason: '', capabilities: [], machines: ['q35', 'microvm'],
    accelerators: [{ name: 'kvm', usable: false, reason: 'no vmx' }, { name: 'tcg', usable: true, reason: '' }],
  };
  launcher = new FakeLauncher();
  dialer = new MemoryDialer();
  clock = new ManualClock();
  files = new MemoryFiles();
  metrics = new NullMetrics();
  logger = new MemoryLogger();
  files.put('/k', 'kernel');
  stream = new MemoryStream();
  dialer.add(`${RUN}/qmp.sock`, stream);
  driver = new QemuDriver({ launcher, taps: { tap: () => Promise.resolve(undefined) }, dialer, files, clock, logger, metrics, probe: { probe: async () => info } as unknown as QemuProbe });
});

const processOf = (): FakeSupervised => launcher.processes.get(`${RUN}/vmm`)!;

async function launched(): Promise<{ session: VmSession; qmp: ReturnType<typeof playQmp>; events: VmEvent[] }> {
  const qmp = playQmp(stream);
  const session = await driver.launch(spec, {});
  const events: VmEvent[] = [];
  session.onEvent((event) => { events.push(event); });
  return { session, qmp, events };
}

describe('a monitor that keeps its connection', () => {
  it('and does not answer is told once, and again when it answers', async () => {
    const { qmp, events } = await launched();
    qmp.mute = true;
    await clock.advance(60_000);
    expect(events.map(({ kind }) => kind)).toEqual(['monitor-lost']);
    qmp.mute = false;
    await clock.advance(30_000);
    expect(events.map(({ kind }) => kind)).toEqual(['monitor-lost', 'monitor-back']);
    expect(processOf().signals).toEqual([]);
  });

  it('is not asked any more once it was let go of', async () => {
    const { session, qmp } = await launched();
    session.release();
    await clock.advance(120_000);
    expect(qmp.commands).toEqual(['qmp_capabilities', 'query-status']);
    expect(clock.pending).toBe(0);
  });
});

describe('launch', () => {
  it('starts QEMU without privileges, connects and asks for the state', async () => {
    const { session, qmp } = await launched();
    expect(launcher.started[0]).toMatchObject({ directory: `${RUN}/vmm`, spec: { keepCapabilities: [], noNewPrivs: true, namespaces: [{ type: 'net' }], console: true } });
    expect(qmp.commands).toEqual(['qmp_capabilities', 'query-status']);
    expect(session.ref).toEqual({ driver: 'qemu', runDir: RUN, process: { pid: 11, startTime: '123', bootId: 'boot' }, argv: launcher.started[0]?.spec.argv });
    expect(session.mode).toEqual({ hypervisor: 'qemu', hypervisorVersion: '7.2.22', accelerator: 'tcg', acceleratorReason: 'KVM cannot be used: no vmx', machine: 'q35', transport: 'virtio-serial' });
    expect(session.agentSocket).toBe(`${RUN}/agent.sock`);
    expect(session.consoleFiles).toEqual([`${RUN}/vmm/console.log.1`, `${RUN}/vmm/console.log`]);
  });

  it.each([
    ['KVM that does not work', { accelerator: 'kvm' }, 'VMM_NOT_USABLE'],
    ['a machine that this QEMU lacks', { machine: 'microvm', kernelParams: '' }, 'UNSUPPORTED'],
    ['a kernel that is not there', { kernel: '/none' }, 'GUEST_NOT_FOUND'],
    ['an initrd that is not there', { initrd: '/none' }, 'GUEST_NOT_FOUND'],
    ['a run directory that is too long', { runDir: `/run/${'x'.repeat(90)}` }, 'HOST_RESOURCE'],
  ] as const)('refuses %s before anything is started', async (_what, more, reason) => {
    await expect(driver.launch({ ...spec, ...more }, {})).rejects.toMatchObject({ reason });
    expect(launcher.started).toHaveLength(0);
  });

  it('refuses a QEMU that cannot be used, and passes on why a start failed', async () => {
    launcher.failure = new DomainError('HOST_RESOURCE', 'no memory');
    await expect(driver.launch(spec, {})).rejects.toThrow('no memory');
    info = { ...info, usable: false, reason: 'too old' };
    await expect(driver.launch(spec, {})).rejects.toMatchObject({ reason: 'VMM_NOT_USABLE', message: 'QEMU cannot be used: too old' });
  });

  it('rejects VMM_EXITED with the stderr as soon as the process ends', async () => {
    const launching = driver.launch(spec, {});
    launching.catch(() => {});
    await settle();
    processOf().finish({ code: 1, stderrTail: 'qemu: bad option\n' });
    await expect(launching).rejects.toMatchObject({ reason: 'VMM_EXITED', message: 'QEMU exited with code 1: qemu: bad option', details: { facts: { code: '1' } } });
    expect(processOf().released).toBe(true);
  });

  it('tells a host without room for the guest as that, with the number', async () => {
    const launching = driver.launch(spec, {});
    launching.catch(() => {});
    await settle();
    processOf().finish({ code: 1, stderrTail: 'qemu: unable to map backing store for guest RAM: Cannot allocate memory\n' });
    await expect(launching).rejects.toMatchObject({ reason: 'CAPACITY_EXHAUSTED', message: expect.stringContaining(`guest of ${spec.memoryBytes} bytes: QEMU exited`) as unknown, details: { facts: { memory_bytes: String(spec.memoryBytes) } } });
  });

  it('tells a monitor that closes just before its process ends as that end', async () => {
    const launching = driver.launch(spec, {});
    launching.catch(() => {});
    await settle();
    stream.end();
    await settle();
    processOf().finish({ kind: 'signalled', signal: 11 });
    await expect(launching).rejects.toMatchObject({ reason: 'VMM_EXITED', message: 'QEMU was ended by signal 11' });
  });

  it('ends the process when its monitor is mute, is garbage, or when the caller gives up', async () => {
    const mute = driver.launch(spec, {});
    mute.catch(() => {});
    await settle();
    await clock.advance(15_000);
    await expect(mute).rejects.toMatchObject({ reason: 'VMM_FAILED' });
    expect(processOf().signals).toEqual([9]);

    const babbling = new MemoryStream();
    dialer.add(`${RUN}/qmp.sock`, babbling);
    const garbled = driver.launch(spec, {});
    garbled.catch(() => {});
    await settle();
    babbling.feed('hello\n');
    await clock.advance(1000);
    await expect(garbled).rejects.toMatchObject({ reason: 'VMM_FAILED' });
    expect(processOf().signals).toEqual([9]);

    dialer.add(`${RUN}/qmp.sock`, new MemoryStream());
    const source = new AbortController();
    const left = driver.launch(spec, { signal: source.signal });
    await settle();
    source.abort(new Error('caller left'));
    await expect(left).rejects.toThrow('caller left');
    expect(processOf().signals).toEqual([9]);
    expect(processOf().released).toBe(true);
  });

  it('keeps the events from before the listener', async () => {
    const qmp = playQmp(stream);
    const session = await driver.launch(spec, {});
    qmp.event('STOP');
    qmp.event('GUEST_PANICKED', { action: 'pause' });
    await settle();
    const events: VmEvent[] = [];
    session.onEvent((event) => { events.push(event); });
    expect(events.map(({ kind }) => kind)).toEqual(['paused', 'guest-panic']);
  });

  it('drops and counts what means nothing', async () => {
    const { qmp, events } = await launched();
    qmp.event('RTC_CHANGE');
    await settle();
    expect(events).toEqual([]);
    expect(metrics.droppedNames).toEqual(['qmp-event']);
  });
});

describe('a session', () => {
  it('commands the monitor, and tells the end of the process instead when that is why it fails', async () => {
    const { session, qmp } = await launched();
    await session.pause();
    await session.resume();
    await session.powerDown();
    await expect(session.status()).resolves.toBe('running');
    expect(qmp.commands.slice(2)).toEqual(['stop', 'cont', 'system_powerdown', 'query-status']);
    processOf().finish({ code: 1 });
    await settle();
    await expect(session.pause()).rejects.toMatchObject({ reason: 'VMM_EXITED' });
  });

  it('kill works without its monitor', async () => {
    const { session } = await launched();
    stream.end();
    await expect(session.kill()).resolves.toMatchObject({ signal: 9 });
    expect(clock.pending).toBe(0);
  });

  it('kill ends with its deadline and with its signal', async () => {
    const { session } = await launched();
    processOf().diesOfKill = false;
    const killed = session.kill();
    killed.catch(() => {});
    await clock.advance(10_000);
    await expect(killed).rejects.toMatchObject({ reason: 'DEADLINE' });
    await expect(session.kill({ signal: AbortSignal.abort(new Error('caller left')) })).rejects.toThrow('caller left');
  });

  it.each([
    ['SHUTDOWN', { guest: true, reason: 'guest-shutdown' }, 'guest-shutdown'],
    ['SHUTDOWN', { guest: true, reason: 'guest-reset' }, 'guest-reboot'],
  ])('ends the process of a guest that ended by itself (%s %j), and tells no pause', async (name, data, kind) => {
    const { qmp, events } = await launched();
    qmp.event(name, data);
    qmp.event('STOP');
    await settle();
    expect(events.map((event) => event.kind)).toEqual([kind]);
    expect(qmp.commands).toContain('quit');
    await clock.advance(2000);
    expect(processOf().signals).toEqual([9]);
  });

  it('leaves a panicked guest as it is, until kill', async () => {
    const { session, qmp, events } = await launched();
    qmp.event('GUEST_PANICKED', { action: 'pause' });
    qmp.event('STOP');
    await clock.advance(60_000);
    expect(events.map(({ kind }) => kind)).toEqual(['guest-panic']);
    expect(processOf().signals).toEqual([]);
    processOf().console = 'Kernel panic';
    await expect(session.consoleTail(5)).resolves.toBe('panic');
    await session.kill();
  });

  it('reconnects a lost monitor and tells what happened meanwhile', async () => {
    const { session, events } = await launched();
    const second = new MemoryStream();
    stream.end();
    await clock.advance(300);
    expect(events.map(({ kind }) => kind)).toEqual(['monitor-lost']);
    await expect(session.pause()).rejects.toMatchObject({ reason: 'VMM_FAILED' });
    dialer.add(`${RUN}/qmp.sock`, second);
    playQmp(second, { 'query-status': { status: 'guest-panicked', running: false } });
    await clock.advance(100);
    expect(events.map(({ kind }) => kind)).toEqual(['monitor-lost', 'monitor-back', 'guest-panic']);
    await expect(session.status()).resolves.toBe('guest-panicked');
  });

  it('calls no monitor lost whose process ends with it', async () => {
    const { events } = await launched();
    stream.end();
    await settle();
    processOf().finish({ kind: 'signalled', signal: 9 });
    await clock.advance(10_000);
    expect(events).toEqual([]);
    expect(clock.pending).toBe(0);
  });

  it('release lets go of everything and ends nothing', async () => {
    const { session } = await launched();
    session.release();
    await clock.advance(10_000);
    expect(stream.closed).toBe(true);
    expect(processOf().released).toBe(true);
    expect(processOf().signals).toEqual([]);
    expect(clock.pending).toBe(0);
  });
});

describe('adopt', () => {
  async function leftBehind(): Promise<VmSession['ref']> {
    const { session } = await launched();
    session.release();
    await settle();
    stream = new MemoryStream();
    dialer.add(`${RUN}/qmp.sock`, stream);
    return session.ref;
  }

  it('drives a VM of an earlier daemon and tells its state', async () => {
    const ref = await leftBehind();
    playQmp(stream, { 'query-status': { status: 'paused', running: false } });
    const session = await driver.adopt(ref, spec, {});
    const events: VmEvent[] = [];
    session?.onEvent((event) => { events.push(event); });
    expect(events).toEqual([{ kind: 'paused' }]);
    expect(session?.mode).toMatchObject({ accelerator: 'tcg', acceleratorReason: 'KVM cannot be used: no vmx', hypervisorVersion: '7.2.22' });
  });

  it.each([
    ['finds a VM to be what its record says', {}, []],
    ['tells what is not as its record says', { 'query-cpus-fast': [], 'query-named-block-nodes': [{ 'node-name': '#block1' }, { 'node-name': 'late0' }] }, [`0 vCPUs instead of ${spec.cpus}`, 'a block node late0 that is not in its record']],
  ])('%s', async (_name, unlike, told) => {
    const ref = await leftBehind();
    playQmp(stream, {
      'query-cpus-fast': Array.from({ length: spec.cpus }, (_, index) => ({ 'cpu-index': index })),
      'query-memory-size-summary': { 'base-memory': spec.memoryBytes, 'plugged-memory': 0 },
      'query-named-block-nodes': spec.image === '' ? [] : [{ 'node-name': 'image0' }],
      'qom-list': [{ name: 'type', type: 'string' }, ...(spec.agentPort ? [{ name: 'serial0', type: 'child<virtio-serial-pci>' }] : [])],
      ...unlike,
    });
    const session = await driver.adopt(ref, spec, {});
    const events: VmEvent[] = [];
    session?.onEvent((event) => { events.push(event); });
    expect(events.filter(({ kind }) => kind === 'compared')).toEqual([{ kind: 'compared', differences: told }]);
  });

  it('keeps a VM whose monitor does not answer, and goes on trying', async () => {
    const ref = await leftBehind();
    const adopting = driver.adopt(ref, spec, {});
    await settle();
    await clock.advance(15_000);
    const session = await adopting;
    const events: VmEvent[] = [];
    session?.onEvent((event) => { events.push(event); });
    const third = new MemoryStream();
    dialer.add(`${RUN}/qmp.sock`, third);
    playQmp(third);
    await clock.advance(10_000);
    expect(events.map(({ kind }) => kind)).toEqual(['monitor-lost', 'monitor-back']);
    expect(processOf().signals).toEqual([]);
  });

  it('answers undefined for one that is gone, ended, or another', async () => {
    const ref = await leftBehind();
    await expect(driver.adopt({ ...ref, process: { ...ref.process, startTime: '9' } }, spec, {})).resolves.toBeUndefined();
    await expect(driver.adopt({ ...ref, runDir: '/run/other' }, spec, {})).resolves.toBeUndefined();
    processOf().finish();
    await expect(driver.adopt(ref, spec, {})).resolves.toBeUndefined();
  });
});
