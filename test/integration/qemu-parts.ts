import type { VmSpec } from '../../src/core/ports/hypervisor.ts';
import { SystemFiles } from '../../src/host/files.ts';
import { startHelperProcess } from '../../src/host/helper-process.ts';
import { HostCalls } from '../../src/host/host-calls.ts';
import { LauncherClient } from '../../src/host/launcher-client.ts';
import { ProcessTable } from '../../src/host/process-identity.ts';
import { SystemProcessRunner } from '../../src/host/process-runner.ts';
import { SystemClock } from '../../src/host/system-clock.ts';
import { UnixDialer } from '../../src/host/unix-dialer.ts';
import { QemuDriver } from '../../src/hypervisors/qemu/driver.ts';
import { QemuProbe } from '../../src/hypervisors/qemu/probe.ts';
import { launcherPath } from './launcher-path.ts';
import { MemoryLogger } from '../fakes/memory-logger.ts';
import { NullMetrics } from '../fakes/null-metrics.ts';

/** A driver on the real host, as the daemon's wiring makes it. */
export function realDriver(cacheDir: string): { driver: QemuDriver; logger: MemoryLogger; launcher: LauncherClient; metrics: NullMetrics } {
  const clock = new SystemClock();
  const [files, runner, dialer, logger, metrics] = [new SystemFiles(), new SystemProcessRunner(), new UnixDialer(clock), new MemoryLogger(), new NullMetrics()];
  const helper = new HostCalls({ start: () => startHelperProcess(launcherPath()), clock });
  const launcher = new LauncherClient({ helper, dialer, files, clock, processes: new ProcessTable(), logger });
  const probe = new QemuProbe({ runner, files, clock, logger, cacheDir });
  return { driver: new QemuDriver({ launcher, taps: { tap: () => Promise.resolve(undefined) }, dialer, files, clock, probe, logger, metrics }), logger, launcher, metrics };
}

export function vmSpec(runDir: string, more: Partial<VmSpec>): VmSpec {
  return {
    name: 'viv-test-0123456789',
    uuid: '01234567-89ab-7cde-8f01-23456789abcd',
    runDir,
    vmmPath: '/usr/bin/qemu-system-x86_64',
    accelerator: 'auto',
    machine: 'q35',
    cpuModel: '',
    cpus: 1,
    maxCpus: 1,
    memoryBytes: 64 * 1024 * 1024,
    hugepages: false,
    pciePorts: 0,
    kernel: '',
    initrd: '',
    image: '',
    kernelParams: '',
    sharedFs: undefined,
    diskController: false,
    agentPort: true,
    bootTimeoutMs: 30_000,
    ...more,
  };
}

/** A Multiboot 1 image of a few bytes of 32-bit code: guests that do one thing, without a kernel. */
export function tinyGuest(code: readonly number[]): Buffer {
  const header = [0x1bad_b002, 0x1_0000, (-(0x1bad_b002 + 0x1_0000)) >>> 0, 0x10_0000, 0x10_0000, 0, 0, 0x10_0020];
  const bytes = Buffer.alloc(32 + code.length);
  header[5] = header[6] = 0x10_0000 + bytes.length;
  for (const [index, word] of header.entries()) bytes.writeUInt32LE(word, index * 4);
  bytes.set(code, 32);
  return bytes;
}

/** cli; hlt for ever */
export const IDLE = [0xfa, 0xf4, 0xeb, 0xfd];
/** mov dx, 0x604; mov ax, 0x2000; out dx, ax: PM1a_CNT with SLP_EN on q35, which is ACPI's power-off. */
export const POWER_OFF = [0x66, 0xba, 0x04, 0x06, 0x66, 0xb8, 0x00, 0x20, 0x66, 0xef, ...IDLE];
/** mov dx, 0xcf9; mov al, 6; out dx, al: the chip set's reset register. */
export const RESET = [0x66, 0xba, 0xf9, 0x0c, 0xb0, 0x06, 0xee, ...IDLE];
/** Writes `hi` and a newline to the first serial port, again and again with a pause between. */
export const CHATTER = [
  0x66, 0xba, 0xf8, 0x03, // mov dx, 0x3f8
  0xb0, 0x68, 0xee, // 'h'
  0xb0, 0x69, 0xee, // 'i'
  0xb0, 0x0a, 0xee, // newline
  0xb9, 0x00, 0x00, 0x00, 0x02, // mov ecx, 2^25
  0xe2, 0xfe, // loop until it is nought
  0xeb, 0xea, // from the start
];
