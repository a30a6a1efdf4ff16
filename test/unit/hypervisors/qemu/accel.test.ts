import { describe, expect, it } from 'vitest';
import { DomainError } from '../../../../src/core/model/errors.ts';
import type { AcceleratorInfo } from '../../../../src/core/ports/hypervisor.ts';
import { chooseAccelerator, hasVirtualization, probeKvm } from '../../../../src/hypervisors/qemu/accel.ts';
import { EXIT_CODE, kvmPayload } from '../../../../src/hypervisors/qemu/kvm-payload.ts';
import { MemoryFiles } from '../../../fakes/memory-files.ts';
import { ScriptedRunner } from '../../../fakes/scripted-runner.ts';

const WITH_VMX = 'processor\t: 0\nflags\t\t: fpu vme vmx ssse3\n';
const WITHOUT = 'processor\t: 0\nflags\t\t: fpu vme hypervisor\nvmx flags\t: vnmi\nbugs\t\t: svm_none\n';

function host(cpuinfo: string, ...answers: ConstructorParameters<typeof ScriptedRunner>): { files: MemoryFiles; runner: ScriptedRunner; cacheDir: string; startMs: number } {
  const files = new MemoryFiles();
  files.put('/dev/kvm', '');
  files.put('/proc/cpuinfo', cpuinfo);
  return { files, runner: new ScriptedRunner(...answers), cacheDir: '/cache', startMs: 20 };
}

describe('hasVirtualization', () => {
  it.each([
    [WITH_VMX, true],
    [WITH_VMX.replace('vmx', 'svm'), true],
    [WITHOUT, false],
    ['', false],
  ])('%j: %s', (text, answer) => {
    expect(hasVirtualization(text)).toBe(answer);
  });
});

describe('probeKvm', () => {
  it('is not usable without the device, and starts nothing', async () => {
    const parts = host(WITH_VMX);
    await parts.files.remove('/dev/kvm');
    await expect(probeKvm('/qemu', parts)).resolves.toMatchObject({ info: { usable: false, reason: expect.stringContaining('/dev/kvm') as unknown } });
    expect(parts.runner.calls).toHaveLength(0);
  });

  it('is not usable on a processor without virtualization, at once', async () => {
    const parts = host(WITHOUT);
    await expect(probeKvm('/qemu', parts)).resolves.toMatchObject({ info: { usable: false, reason: expect.stringContaining('no vmx or svm') as unknown } });
    expect(parts.runner.calls).toHaveLength(0);
  });

  it('is usable when the test guest came through', async () => {
    const parts = host(WITH_VMX, { code: EXIT_CODE });
    await expect(probeKvm('/qemu', parts)).resolves.toEqual({ info: { name: 'kvm', usable: true, reason: '' }, timedOut: false });
    expect(parts.runner.calls[0]).toMatchObject({ command: '/qemu', options: { timeoutMs: 5100 } });
    expect(parts.runner.calls[0]?.args).toContain('q35,accel=kvm,usb=off');
  });

  it.each([
    [{ code: 1, stderr: 'Could not access KVM kernel module: Permission denied' }, 'Permission denied', false],
    [new DomainError('DEADLINE', 'too slow'), 'did not run within 5100 ms', true],
    [new DomainError('HOST_RESOURCE', 'no such program'), 'no such program', false],
  ])('is not usable when the test guest did not: %j', async (answer, words, timedOut) => {
    const parts = host(WITH_VMX, answer);
    await expect(probeKvm('/qemu', parts)).resolves.toMatchObject({ info: { usable: false, reason: expect.stringContaining(words) as unknown }, timedOut });
  });

  it('waits longer where the VMM itself is slow to start', async () => {
    const parts = { ...host(WITH_VMX, { code: EXIT_CODE }), startMs: 3200 };
    await probeKvm('/qemu', parts);
    expect(parts.runner.calls[0]).toMatchObject({ options: { timeoutMs: 21_000 } });
  });
});

describe('chooseAccelerator', () => {
  const tcg: AcceleratorInfo = { name: 'tcg', usable: true, reason: '' };
  const kvm: AcceleratorInfo = { name: 'kvm', usable: true, reason: '' };
  const noKvm: AcceleratorInfo = { name: 'kvm', usable: false, reason: 'no vmx' };

  it('takes KVM when it works, and emulation when that was asked for', () => {
    expect(chooseAccelerator('auto', [kvm, tcg])).toEqual({ accelerator: 'kvm', reason: '' });
    expect(chooseAccelerator('kvm', [kvm, tcg])).toEqual({ accelerator: 'kvm', reason: '' });
    expect(chooseAccelerator('tcg', [kvm, tcg])).toEqual({ accelerator: 'tcg', reason: '' });
  });

  it('falls back and says why', () => {
    expect(chooseAccelerator('auto', [noKvm, tcg])).toEqual({ accelerator: 'tcg', reason: 'KVM cannot be used: no vmx' });
    expect(chooseAccelerator('tcg', [noKvm, tcg])).toEqual({ accelerator: 'tcg', reason: '' });
  });

  it('refuses KVM that does not work, and a VMM without either', () => {
    expect(() => chooseAccelerator('kvm', [noKvm, tcg])).toThrow(/asked for and cannot be used: no vmx/);
    expect(() => chooseAccelerator('auto', [noKvm])).toThrow(/emulation cannot be used/);
  });
});

it('the test guest is a Multiboot image whose header sums to nought', () => {
  const bytes = Buffer.from(kvmPayload());
  const sum = (bytes.readUInt32LE(0) + bytes.readUInt32LE(4) + bytes.readUInt32LE(8)) % 2 ** 32;
  expect(sum).toBe(0);
  expect(bytes.readUInt32LE(20)).toBe(bytes.readUInt32LE(16) + bytes.length);
});
