import { beforeEach, describe, expect, it, vi } from 'vitest';
import { DomainError } from '../../../../src/core/model/errors.ts';
import { EXIT_CODE } from '../../../../src/hypervisors/qemu/kvm-payload.ts';
import { QemuProbe } from '../../../../src/hypervisors/qemu/probe.ts';
import { formatVersion, isAtLeast, parseVersion } from '../../../../src/hypervisors/qemu/version.ts';
import { ManualClock } from '../../../fakes/manual-clock.ts';
import { MemoryFiles } from '../../../fakes/memory-files.ts';
import { MemoryLogger } from '../../../fakes/memory-logger.ts';
import { ScriptedRunner } from '../../../fakes/scripted-runner.ts';

const VERSION = { stdout: 'QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)\nCopyright\n' };
const ANSWERS = [
  VERSION,
  { stdout: 'Supported machines are:\nmicrovm  microvm (i386)\npc  Standard PC\nq35  Standard PC (Q35) (alias of pc-q35-7.2)\n' },
  { stdout: 'Accelerators supported in QEMU binary:\ntcg\nkvm\n' },
  { stdout: 'name "vhost-user-fs-pci", bus PCI\nname "pvpanic-pci", bus PCI\n' },
];

let files: MemoryFiles;
let runner: ScriptedRunner;
const probeWith = (answers: ConstructorParameters<typeof ScriptedRunner>): QemuProbe => {
  runner = new ScriptedRunner(...answers);
  return new QemuProbe({ runner, files, clock: new ManualClock(), logger: new MemoryLogger(), cacheDir: '/cache' });
};

beforeEach(() => {
  files = new MemoryFiles();
  files.put('/qemu', 'binary');
  files.put('/proc/sys/kernel/random/boot_id', 'boot-1\n');
});

describe('QemuProbe', () => {
  it('gathers version, machines, devices and accelerators', async () => {
    await expect(probeWith(ANSWERS).probe('/qemu')).resolves.toEqual({
      name: 'qemu',
      path: '/qemu',
      version: '7.2.22',
      usable: true,
      reason: '',
      accelerators: [{ name: 'kvm', usable: false, reason: expect.stringContaining('no /dev/kvm') as unknown }, { name: 'tcg', usable: true, reason: '' }],
      capabilities: ['vhost-user-fs-pci', 'pvpanic-pci'],
      machines: ['q35', 'microvm'],
    });
  });

  it('asks once for many, and not at all when the cache knows this binary and boot', async () => {
    const probe = probeWith(ANSWERS);
    const [first, second] = await Promise.all([probe.probe('/qemu'), probe.probe('/qemu')]);
    expect(second).toBe(first);
    expect(runner.calls).toHaveLength(4);
    await expect(probeWith([]).probe('/qemu')).resolves.toEqual(first);
  });

  it('looks at the files once for all that ask meanwhile, and again for the next', async () => {
    const probe = probeWith(ANSWERS);
    const identify = vi.spyOn(files, 'identify');
    await Promise.all(Array.from({ length: 16 }, () => probe.probe('/qemu')));
    expect(identify.mock.calls.filter(([path]) => path === '/qemu')).toHaveLength(1);
    await probe.probe('/qemu');
    expect(identify.mock.calls.filter(([path]) => path === '/qemu')).toHaveLength(2);
  });

  it.each([
    ['the binary', () => { files.put('/qemu', 'another binary'); }],
    ['the boot of the host', () => { files.put('/proc/sys/kernel/random/boot_id', 'boot-2\n'); }],
    ['the presence of /dev/kvm', () => { files.put('/dev/kvm', ''); }],
    ['the cache file, by a torn write', () => { for (const path of files.content.keys()) if (path.startsWith('/cache')) files.put(path, '{"key'); }],
  ])('asks anew after a change of %s', async (_what, change) => {
    await probeWith(ANSWERS).probe('/qemu');
    change();
    await probeWith(ANSWERS).probe('/qemu');
    expect(runner.calls).toHaveLength(4);
  });

  it('does not keep for the next daemon that a test guest was not through in time', async () => {
    files.put('/dev/kvm', '');
    files.put('/proc/cpuinfo', 'flags\t\t: fpu svm\n');
    await expect(probeWith([...ANSWERS, new DomainError('DEADLINE', 'too slow')]).probe('/qemu')).resolves.toMatchObject({ usable: true, accelerators: [{ name: 'kvm', usable: false }, { name: 'tcg', usable: true }] });
    await expect(probeWith([...ANSWERS, { code: EXIT_CODE }]).probe('/qemu')).resolves.toMatchObject({ accelerators: [{ name: 'kvm', usable: true }, { name: 'tcg' }] });
    await expect(probeWith([]).probe('/qemu')).resolves.toMatchObject({ accelerators: [{ name: 'kvm', usable: true }, { name: 'tcg' }] });
  });

  it('says why one is not usable, and asks again the next time', async () => {
    const probe = probeWith([{ stdout: 'QEMU emulator version 5.2.0\n' }, { stdout: 'hello' }, { code: 127, stderr: 'missing library' }, ...ANSWERS]);
    await expect(probe.probe('/qemu')).resolves.toMatchObject({ usable: false, version: '5.2.0', reason: 'QEMU 5.2.0 is too old: 7.0.0 or later is needed' });
    await expect(probe.probe('/qemu')).resolves.toMatchObject({ usable: false, reason: expect.stringContaining('does not answer like QEMU') as unknown });
    await expect(probe.probe('/qemu')).resolves.toMatchObject({ usable: false, reason: expect.stringContaining('missing library') as unknown });
    await expect(probe.probe('/qemu')).resolves.toMatchObject({ usable: true });
  });

  it('never rejects for what is wrong with the host', async () => {
    files.failing.set('/qemu', new Error('EIO'));
    await expect(probeWith([]).probe('/qemu')).resolves.toMatchObject({ usable: false, reason: 'EIO' });
    await expect(probeWith([]).probe('/none')).resolves.toMatchObject({ usable: false, reason: expect.stringContaining('there is no /none') as unknown });
  });

  it('rejects with the signal\'s reason, and the answer is still found for others', async () => {
    const probe = probeWith(ANSWERS);
    const source = new AbortController();
    const aborted = probe.probe('/qemu', { signal: source.signal });
    const other = probe.probe('/qemu');
    source.abort(new Error('caller left'));
    await expect(aborted).rejects.toThrow('caller left');
    await expect(other).resolves.toMatchObject({ usable: true });
  });
});

describe('versions', () => {
  it.each([
    ['QEMU emulator version 7.2.22 (Debian)', '7.2.22'],
    ['QEMU emulator version 10.0.0', '10.0.0'],
  ])('%s is %s', (text, version) => {
    const parsed = parseVersion(text);
    expect(parsed && formatVersion(parsed)).toBe(version);
  });

  it('are compared part by part', () => {
    const at = (text: string): boolean => isAtLeast(parseVersion(`version ${text}`)!, { major: 7, minor: 1, micro: 2 });
    expect([at('7.1.2'), at('7.2.0'), at('8.0.0'), at('10.0.0'), at('7.1.1'), at('7.0.9'), at('6.9.9')]).toEqual([true, true, true, true, false, false, false]);
    expect(parseVersion('bash 5')).toBeUndefined();
  });
});
