import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { raceSignal, throwIfAborted } from '../../base/abort.ts';
import type { Clock, FileIdentity, Files, ProcessRunner, WaitOptions } from '../../core/ports/host.ts';
import type { AcceleratorInfo, HypervisorInfo } from '../../core/ports/hypervisor.ts';
import type { Logger } from '../../core/ports/telemetry.ts';
import { probeKvm, type KvmFinding } from './accel.ts';
import { MINIMUM_VERSION, formatVersion, isAtLeast, parseVersion } from './version.ts';

/** A busy host may have to read the program from a cold disk first. */
const RUN_TIMEOUT_MS = 30_000;
const MAX_CACHE_BYTES = 64 * 1024;
/** Grows when what is asked or concluded changes: a cache of another version is asked anew. */
const CACHE_VERSION = 1;
const MACHINES = ['q35', 'microvm'];
/** Devices whose presence decides what a later request may ask for. */
const DEVICES = ['vhost-user-fs-pci', 'pvpanic-pci', 'virtio-serial-pci', 'virtio-mem-pci', 'vhost-vsock-pci', 'vfio-pci', 'virtio-balloon-pci'];

export interface ProbeParts {
  readonly runner: ProcessRunner;
  readonly files: Files;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly logger: Logger;
  readonly cacheDir: string;
  readonly cpuinfoPath?: string;
  readonly kvmDevice?: string;
  readonly bootIdPath?: string;
}

interface Answer {
  readonly info: HypervisorInfo;
  /** Holds for this binary until the host is booted again, also for the next daemon. */
  readonly lasting: boolean;
}

/** What a VMM's binary can do on this host: found once for each binary and boot, then kept in memory and in a small file. */
export class QemuProbe {
  readonly #parts: ProbeParts;
  readonly #known = new Map<string, Promise<HypervisorInfo>>();
  /** Looks under way, by path: a daemon that comes back asks for all its sandboxes at once. */
  readonly #looking = new Map<string, Promise<HypervisorInfo>>();

  constructor(parts: ProbeParts) {
    this.#parts = parts;
  }

  /** Rejects only with the signal's reason; what does not work is said in the answer. */
  async probe(vmmPath: string, options: WaitOptions = {}): Promise<HypervisorInfo> {
    throwIfAborted(options.signal);
    // Not the caller's signal: others may come to wait for the same answer.
    return await raceSignal(this.#look(vmmPath), options.signal);
  }

  async #look(vmmPath: string): Promise<HypervisorInfo> {
    const underWay = this.#looking.get(vmmPath);
    if (underWay !== undefined) return await underWay;
    const look = this.#find(vmmPath).catch((error: unknown) => broken(vmmPath, error instanceof Error ? error.message : String(error)));
    this.#looking.set(vmmPath, look);
    try {
      return await look;
    } finally {
      this.#looking.delete(vmmPath);
    }
  }

  async #find(vmmPath: string): Promise<HypervisorInfo> {
    const identity = await this.#parts.files.identify(vmmPath);
    if (identity === undefined) return broken(vmmPath, `there is no ${vmmPath}: install qemu-system-x86, or correct hypervisor_path in the profile`);
    const key = await this.#key(vmmPath, identity);
    const known = this.#known.get(key) ?? this.#readOrAsk(vmmPath, key);
    this.#known.set(key, known);
    const info = await known;
    // A broken one may be repaired at any time, without a change of its file.
    if (!info.usable) this.#known.delete(key);
    return info;
  }

  async #key(vmmPath: string, { realPath, device, inode, sizeBytes, modifiedMs }: FileIdentity): Promise<string> {
    const { files } = this.#parts;
    const [bootId, kvm] = await Promise.all([files.read(this.#parts.bootIdPath ?? '/proc/sys/kernel/random/boot_id', 64), files.identify(this.#parts.kvmDevice ?? '/dev/kvm')]);
    return JSON.stringify([CACHE_VERSION, vmmPath, realPath, device, inode, sizeBytes, modifiedMs, Buffer.from(bootId ?? []).toString('latin1').trim(), kvm !== undefined]);
  }

  async #readOrAsk(vmmPath: string, key: string): Promise<HypervisorInfo> {
    const path = join(this.#parts.cacheDir, `qemu-${createHash('sha256').update(vmmPath).digest('hex').slice(0, 16)}.json`);
    const cached = await this.#readCache(path, key);
    if (cached !== undefined) return cached;
    const { info, lasting } = await this.#ask(vmmPath).catch((error: unknown): Answer => passing(broken(vmmPath, error instanceof Error ? error.message : String(error))));
    if (lasting) await this.#writeCache(path, key, info);
    return info;
  }

  async #ask(vmmPath: string): Promise<Answer> {
    const { clock } = this.#parts;
    const run = async (...args: string[]): Promise<string> => {
      const result = await this.#parts.runner.run(vmmPath, args, { timeoutMs: RUN_TIMEOUT_MS });
      if (result.code !== 0) throw new Error(`${vmmPath} ${args.join(' ')} failed (exit code ${result.code}): ${result.stderr.trim().slice(-300)}`);
      return result.stdout;
    };
    const began = clock.monotonicMs();
    const version = parseVersion(await run('--version'));
    const startMs = clock.monotonicMs() - began;
    if (version === undefined) return passing(broken(vmmPath, `${vmmPath} --version does not answer like QEMU`));
    if (!isAtLeast(version, MINIMUM_VERSION)) {
      return passing({ ...broken(vmmPath, `QEMU ${formatVersion(version)} is too old: ${formatVersion(MINIMUM_VERSION)} or later is needed`), version: formatVersion(version) });
    }
    const [machines, accelerators, devices] = await Promise.all([run('-machine', 'help'), run('-accel', 'help'), run('-device', 'help')]);
    const builtIn = accelerators.split(/\s+/);
    const kvm = await this.#kvm(vmmPath, builtIn, startMs);
    const info: HypervisorInfo = {
      name: 'qemu',
      path: vmmPath,
      version: formatVersion(version),
      usable: true,
      reason: '',
      accelerators: [kvm.info, builtIn.includes('tcg') ? { name: 'tcg', usable: true, reason: '' } : absent(vmmPath, 'tcg')],
      capabilities: DEVICES.filter((device) => devices.includes(`name "${device}"`)),
      machines: MACHINES.filter((machine) => new RegExp(`^${machine}\\s`, 'm').test(machines)),
    };
    return { info, lasting: !kvm.timedOut };
  }

  async #kvm(vmmPath: string, builtIn: readonly string[], startMs: number): Promise<KvmFinding> {
    const { runner, files, cacheDir, cpuinfoPath, kvmDevice } = this.#parts;
    if (!builtIn.includes('kvm')) return { info: absent(vmmPath, 'kvm'), timedOut: false };
    const paths = { ...(cpuinfoPath === undefined ? {} : { cpuinfoPath }), ...(kvmDevice === undefined ? {} : { devicePath: kvmDevice }) };
    return await probeKvm(vmmPath, { runner, files, cacheDir, startMs, ...paths });
  }

  async #readCache(path: string, key: string): Promise<HypervisorInfo | undefined> {
    try {
      const bytes = await this.#parts.files.read(path, MAX_CACHE_BYTES);
      if (bytes === undefined) return undefined;
      const cached = JSON.parse(Buffer.from(bytes).toString('utf8')) as { readonly key?: unknown; readonly info?: unknown };
      // Written by this class under the same CACHE_VERSION (it is part of the key), so its shape is known.
      return cached.key === key ? (cached.info as HypervisorInfo) : undefined;
    } catch (error) {
      this.#parts.logger.debug({ path, err: error }, 'the cached probe cannot be read; asking anew');
      return undefined;
    }
  }

  async #writeCache(path: string, key: string, info: HypervisorInfo): Promise<void> {
    try {
      await this.#parts.files.makeDirectory(this.#parts.cacheDir);
      await this.#parts.files.publish(path, JSON.stringify({ key, info }));
    } catch (error) {
      this.#parts.logger.warn({ path, err: error }, 'the probe cannot be cached');
    }
  }
}

function broken(path: string, reason: string): HypervisorInfo {
  return { name: 'qemu', path, version: '', usable: false, reason, accelerators: [], capabilities: [], machines: [] };
}

function absent(vmmPath: string, name: 'kvm' | 'tcg'): AcceleratorInfo {
  return { name, usable: false, reason: `${vmmPath} is built without ${name}` };
}

function passing(info: HypervisorInfo): Answer {
  return { info, lasting: false };
}
