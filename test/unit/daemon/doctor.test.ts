import { describe, expect, it } from 'vitest';
import { Doctor } from '../../../src/daemon/services/doctor.ts';
import { doctorChecks } from '../../../src/daemon/services/doctor-checks.ts';
import type { DoctorSubject } from '../../../src/daemon/services/doctor-checks.ts';
import { cgroupKind, hostMemory } from '../../../src/daemon/services/host-probe.ts';
import type { HostProbe } from '../../../src/daemon/services/host-probe.ts';
import type { HypervisorInfo } from '../../../src/core/ports/hypervisor.ts';
import { ManualClock } from '../../fakes/manual-clock.ts';
import { profile } from '../../fakes/records.ts';

const QEMU: HypervisorInfo = {
  name: 'qemu', path: '/q', version: '7.2.19', usable: true, reason: '', capabilities: [], machines: ['q35'],
  accelerators: [{ name: 'kvm', usable: true, reason: '' }, { name: 'tcg', usable: true, reason: '' }],
};

const TEXTS: Readonly<Record<string, string>> = {
  '/proc/meminfo': 'MemTotal:       16000000 kB\nMemFree: 1 kB\nMemAvailable:    8000000 kB\n',
  '/proc/self/status': 'CapEff:\t000001ffffffffff\n',
  '/proc/self/limits': 'Max open files            1048576              1048576              files\n',
  '/proc/filesystems': 'nodev\tproc\nnodev\toverlay\n\text4\n',
};

const healthyProbe: HostProbe = {
  nodeVersion: '20.20.2', uid: 0, cpus: 2,
  readText: async (path) => TEXTS[path],
  exists: async () => true,
  executable: async () => true,
  readWritable: async () => true,
  tryWriting: async () => undefined,
  freeBytes: async () => 50 * 1024 ** 3,
};

function subject(change: Partial<DoctorSubject> = {}, probe: Partial<HostProbe> = {}): DoctorSubject {
  return {
    probe: { ...healthyProbe, ...probe }, clock: new ManualClock(Date.UTC(2026, 0, 1)), profile: profile(), brokenProfiles: new Map(), launcher: '/l', imageTool: '/i', rootDirectory: '/var/lib/vivarium', runDirectory: '/run/vivarium',
    cgroups: { problem: '' }, records: () => ({ unreadable: new Map(), unsaved: [] }),
    guests: async () => [{ name: 'default', directory: '/g', digest: '', kernelVersion: '6.1', agentVersion: '1', kernelBytes: 1, initramfsBytes: 1, builtAtMs: 0 }],
    images: async () => [{ name: 'busybox', digest: '', lowers: [], entrypoint: [], command: [], env: [], workingDir: '', user: '', stopSignal: '', volumes: [], sizeBytes: 0, source: '', pulled: undefined }],
    hypervisor: async () => QEMU,
    ...change,
  };
}

async function notOk(of: DoctorSubject): Promise<Record<string, string>> {
  const checks = await new Doctor(doctorChecks(of), new ManualClock()).examine({});
  return Object.fromEntries(checks.filter(({ status }) => status !== 'ok').map(({ name, status }) => [name, status]));
}

describe('the doctor', () => {
  it('finds nothing on a host that has all', async () => {
    expect(await notOk(subject())).toEqual({});
  });

  it.each<[string, DoctorSubject, Record<string, string>]>([
    ['an old node', subject({}, { nodeVersion: '18.19.0' }), { node: 'fail' }],
    ['another user', subject({}, { uid: 1000 }), { root: 'fail' }],
    ['no VMM', subject({ hypervisor: async () => ({ ...QEMU, usable: false, reason: 'no such file', accelerators: [] }) }), { vmm: 'fail', accelerator: 'fail' }],
    ['kvm that runs no guest', subject({ hypervisor: async () => ({ ...QEMU, accelerators: [{ name: 'kvm', usable: false, reason: 'no guest ran' }, { name: 'tcg', usable: true, reason: '' }] }) }), { accelerator: 'warn' }],
    ['no guest', subject({ guests: async () => [] }), { guest: 'fail' }],
    ['no image', subject({ images: async () => [] }), { image: 'warn' }],
    ['a bad profile', subject({ brokenProfiles: new Map([['x', ['x.toml:y: bad']]]) }), { profiles: 'warn' }],
    ['a full disk', subject({}, { freeBytes: async () => 1024 }), { 'state-directory': 'fail' }],
    ['a read-only disk', subject({}, { tryWriting: async () => 'EROFS' }), { 'state-directory': 'fail', 'run-directory': 'fail' }],
    ['a record that can not be read', subject({ records: () => ({ unreadable: new Map([['x', 'cut short']]), unsaved: [] }) }), { records: 'warn' }],
    ['a record that is not saved', subject({ records: () => ({ unreadable: new Map(), unsaved: ['sb'] }) }), { records: 'fail' }],
    ['control groups that can not be made', subject({ cgroups: { problem: 'read-only' } }), { cgroups: 'warn' }],
    ['a long run directory', subject({ runDirectory: `/${'x'.repeat(80)}` }), { 'run-directory': 'fail' }],
    ['a clock at the epoch', subject({ clock: new ManualClock(0) }), { clock: 'fail' }],
    ['no programs', subject({}, { executable: async () => false }), { virtiofsd: 'fail', launcher: 'fail', 'image-tool': 'warn' }],
    ['no devices', subject({}, { exists: async () => false }), { 'kvm-device': 'warn', cgroups: 'warn', 'vhost-vsock': 'warn' }],
    ['no /proc', subject({}, { readText: async () => undefined }), { capabilities: 'warn', memory: 'fail', overlay: 'fail', 'open-files': 'warn' }],
  ])('sees %s', async (_what, of, expected) => {
    expect(await notOk(of)).toEqual(expected);
  });

  it('says what to do about everything that is not ok', async () => {
    const checks = await new Doctor(doctorChecks(subject({ guests: async () => [], images: async () => [] }, { uid: 1, executable: async () => false, exists: async () => false })), new ManualClock()).examine({});
    expect(checks.filter(({ status, remedy }) => (status === 'ok') !== (remedy === ''))).toEqual([]);
  });

  it('names the capability that is missing', async () => {
    const readText = async (path: string): Promise<string | undefined> => (path === '/proc/self/status' ? 'CapEff:\t00000000000000ff\n' : TEXTS[path]);
    const checks = await new Doctor(doctorChecks(subject({}, { readText })), new ManualClock()).examine({});
    expect(checks.find(({ name }) => name === 'capabilities')).toMatchObject({ status: 'fail', found: 'lacks CAP_NET_ADMIN, CAP_SYS_ADMIN, CAP_SYS_RESOURCE, CAP_MKNOD' });
  });

  it('turns a check that throws or hangs into a finding', async () => {
    const clock = new ManualClock();
    const doctor = new Doctor([
      { name: 'throws', run: async () => { throw new Error('broken'); } },
      { name: 'hangs', run: async () => await new Promise<never>(() => {}) },
    ], clock);
    const examined = doctor.examine({});
    await clock.advance(20_000);
    expect((await examined).map(({ name, status, found }) => [name, status, found])).toEqual([['throws', 'fail', 'the check itself failed: broken'], ['hangs', 'fail', 'no answer within 20 s']]);
  });

  it('stops when its caller goes away', async () => {
    const abort = new AbortController();
    const examined = new Doctor([{ name: 'hangs', run: async () => await new Promise<never>(() => {}) }], new ManualClock()).examine({ signal: abort.signal });
    abort.abort(new Error('gone'));
    await expect(examined).rejects.toThrow('gone');
  });
});

describe('the host', () => {
  it.each<[string, string[], string]>([
    ['v2', ['/sys/fs/cgroup/cgroup.controllers'], 'v2'],
    ['v1', ['/sys/fs/cgroup/memory'], 'v1'],
    ['both', ['/sys/fs/cgroup/memory', '/sys/fs/cgroup/unified/cgroup.controllers'], 'hybrid'],
    ['none', [], 'none'],
  ])('has cgroups %s', async (_what, paths, kind) => {
    expect(await cgroupKind({ exists: async (path) => paths.includes(path) })).toBe(kind);
  });

  it('tells its memory in bytes', async () => {
    expect(await hostMemory(healthyProbe)).toEqual({ totalBytes: 16_384_000_000, availableBytes: 8_192_000_000 });
  });
});
