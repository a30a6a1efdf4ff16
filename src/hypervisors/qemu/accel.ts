import { join } from 'node:path';
import { DomainError } from '../../core/model/errors.ts';
import type { AcceleratorInfo } from '../../core/ports/hypervisor.ts';
import type { Files, ProcessRunner, WaitOptions } from '../../core/ports/host.ts';
import { EXIT_CODE, EXIT_PORT, kvmPayload } from './kvm-payload.ts';

/** A guest that runs at all is through in a tenth of this; one that does not may spin for ever. */
const GUEST_DEADLINE_MS = 5000;
/** On top of that, so often what the VMM takes to say its version: on a host where that is seconds, no guest is through in five. */
const STARTS = 5;
const MAX_CPUINFO_BYTES = 16 * 1024 * 1024;

export interface KvmProbeParts {
  readonly runner: ProcessRunner;
  readonly files: Files;
  /** Where the small test guest is put. */
  readonly cacheDir: string;
  /** `/proc/cpuinfo` and `/dev/kvm`, unless a test says otherwise. */
  readonly cpuinfoPath?: string;
  readonly devicePath?: string;
  /** How long the VMM took for the least that it can be asked. */
  readonly startMs: number;
}

export interface KvmFinding {
  readonly info: AcceleratorInfo;
  /** Nothing came in time: a guest that spins for ever, or a host that was too busy. Another look may find otherwise. */
  readonly timedOut: boolean;
}

/**
 * Whether an ordinary guest runs under KVM here. The device node alone proves nothing: it can be opened on hosts where no guest ever gets
 * through its first instructions. Rejects only with the signal's reason.
 */
export async function probeKvm(vmmPath: string, parts: KvmProbeParts, options: WaitOptions = {}): Promise<KvmFinding> {
  const devicePath = parts.devicePath ?? '/dev/kvm';
  if ((await parts.files.identify(devicePath)) === undefined) return unusable(`there is no ${devicePath}: load the kvm module`);
  const cpuinfo = await parts.files.read(parts.cpuinfoPath ?? '/proc/cpuinfo', MAX_CPUINFO_BYTES);
  if (!hasVirtualization(Buffer.from(cpuinfo ?? []).toString('latin1'))) {
    return unusable(`the processor offers no virtualization (no vmx or svm in /proc/cpuinfo), although ${devicePath} is there`);
  }
  const payload = join(parts.cacheDir, 'kvm-probe.bin');
  await parts.files.makeDirectory(parts.cacheDir);
  await parts.files.publish(payload, kvmPayload());
  const timeoutMs = GUEST_DEADLINE_MS + Math.round(STARTS * parts.startMs);
  return await runGuest(vmmPath, payload, parts.runner, { ...options, timeoutMs });
}

async function runGuest(vmmPath: string, payload: string, runner: ProcessRunner, options: WaitOptions & { readonly timeoutMs: number }): Promise<KvmFinding> {
  try {
    const result = await runner.run(vmmPath, payloadArgs('kvm', payload), { timeoutMs: options.timeoutMs, signal: options.signal });
    if (result.code === EXIT_CODE) return { info: { name: 'kvm', usable: true, reason: '' }, timedOut: false };
    return unusable(`a test guest failed (exit code ${result.code}): ${result.stderr.trim().slice(-300)}`);
  } catch (error) {
    if (!(error instanceof DomainError)) throw error;
    return error.reason === 'DEADLINE' ? { ...unusable(`a test guest did not run within ${options.timeoutMs} ms`), timedOut: true } : unusable(error.message);
  }
}

/** The arguments that run the test guest; its success is the exit code EXIT_CODE. */
export function payloadArgs(accelerator: 'kvm' | 'tcg', payload: string): readonly string[] {
  return [
    ...['-machine', `q35,accel=${accelerator},usb=off`, '-cpu', accelerator === 'kvm' ? 'host' : 'max', '-m', '16M'],
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    ...['-device', `isa-debug-exit,iobase=0x${EXIT_PORT.toString(16)},iosize=0x1`, '-kernel', payload],
  ];
}

/** The flags line of any processor; `vmx` is Intel's and `svm` AMD's. */
export function hasVirtualization(cpuinfo: string): boolean {
  return /^flags\s*:.*\b(?:vmx|svm)\b/m.test(cpuinfo);
}

function unusable(reason: string): KvmFinding {
  return { info: { name: 'kvm', usable: false, reason }, timedOut: false };
}

/**
 * What to use of what was found. `auto` falls back to emulation and says why; `kvm` asked for and not usable is refused.
 * Throws VMM_NOT_USABLE.
 */
export function chooseAccelerator(asked: 'auto' | 'kvm' | 'tcg', found: readonly AcceleratorInfo[]): { accelerator: 'kvm' | 'tcg'; reason: string } {
  const usable = (name: 'kvm' | 'tcg'): AcceleratorInfo => found.find((info) => info.name === name) ?? { name, usable: false, reason: `this VMM has no ${name}` };
  const kvm = usable('kvm');
  if (asked !== 'tcg' && kvm.usable) return { accelerator: 'kvm', reason: '' };
  if (asked === 'kvm') throw notUsable(`KVM was asked for and cannot be used: ${kvm.reason}`, 'set accelerator = "auto" or "tcg" in the profile, or repair KVM (see viv doctor)');
  const tcg = usable('tcg');
  if (!tcg.usable) throw notUsable(`emulation cannot be used: ${tcg.reason}`, 'use a VMM that has TCG built in');
  return { accelerator: 'tcg', reason: asked === 'auto' ? `KVM cannot be used: ${kvm.reason}` : '' };
}

function notUsable(message: string, remedy: string): DomainError {
  return new DomainError('VMM_NOT_USABLE', message, { remedy });
}
