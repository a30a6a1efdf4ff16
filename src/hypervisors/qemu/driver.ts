import { linkSignals, raceSignal, reasonOf, throwIfAborted } from '../../base/abort.ts';
import { UndoStack } from '../../base/async-stack.ts';
import { DomainError } from '../../core/model/errors.ts';
import type { Clock, Files, Launcher, ProcessEnd, SocketDialer, SupervisedProcess, TapCalls, WaitOptions } from '../../core/ports/host.ts';
import type { AdoptOptions, HypervisorDriver, HypervisorInfo, LaunchOptions, VmEvent, VmRef, VmSession, VmSpec } from '../../core/ports/hypervisor.ts';
import type { Logger, Metrics } from '../../core/ports/telemetry.ts';
import { formatVersion } from './version.ts';
import { chooseAccelerator } from './accel.ts';
import { qemuLaunchSpec } from './launch-spec.ts';
import { DEATH_GRACE_MS, Monitor } from './monitor.ts';
import { askInventory, differences, inventoryOf } from './inventory.ts';
import { longestSocket, vmPaths } from './paths.ts';
import type { QemuProbe } from './probe.ts';
import { QemuSession, exitedError } from './session.ts';
import { startError } from './start-error.ts';

/** sun_path of unix(7), less its final NUL. */
const MAX_SOCKET_PATH_BYTES = 107;
/** QEMU listens within tens of milliseconds; a loaded host may need more. */
const MONITOR_MS = 15_000;
/** A VM that is found again answers at once or is looked after without its monitor. */
const ADOPT_MONITOR_MS = 2000;
const KILL_MS = 10_000;
const SIGKILL = 9;

export interface QemuDriverParts {
  readonly launcher: Launcher;
  readonly taps: TapCalls;
  readonly dialer: SocketDialer;
  readonly files: Files;
  readonly clock: Clock;
  readonly probe: QemuProbe;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, 'dropped'>;
}

/** Launches and finds again VMs of QEMU; owns the order of a boot. */
export class QemuDriver implements HypervisorDriver {
  readonly name = 'qemu';
  readonly #parts: QemuDriverParts;

  constructor(parts: QemuDriverParts) {
    this.#parts = parts;
  }

  async probe(vmmPath: string, options: WaitOptions = {}): Promise<HypervisorInfo> {
    return await this.#parts.probe.probe(vmmPath, options);
  }

  async launch(spec: VmSpec, options: LaunchOptions): Promise<VmSession> {
    const { clock, launcher } = this.#parts;
    const timed = async <T>(name: string, work: Promise<T>): Promise<T> => {
      const started = clock.monotonicMs();
      const result = await work;
      options.onPhase?.(name, started, clock.monotonicMs());
      return result;
    };
    throwIfAborted(options.signal);
    const [info] = await timed('vmm-check', Promise.all([this.probe(spec.vmmPath, options), this.#checkFiles(spec)]));
    const chosen = this.#choose(spec, info);
    const launchSpec = qemuLaunchSpec(spec, chosen.accelerator, options.cgroups ?? []);

    await using undo = new UndoStack();
    const process = await timed('vmm-start', launcher.start(vmPaths(spec.runDir).launcher, launchSpec, options));
    undo.defer(async () => { await this.#endProcess(process); });
    const events = new EarlyEvents();
    const monitor = undo.use(this.#monitor(spec, events.take));
    const connected = this.#whileRunning(process, (signal) => monitor.connect({ deadlineMs: MONITOR_MS, signal }), options.signal);
    const version = await timed('vmm-monitor', connected.catch((error: unknown) => { throw startError(error, spec); }));
    const ref: VmRef = { driver: 'qemu', runDir: spec.runDir, process: process.identity, argv: launchSpec.argv };
    const session = this.#session(spec, ref, process, monitor, { version: formatVersion(version), ...chosen });
    events.to(session);
    undo.move();
    return session;
  }

  async adopt(ref: VmRef, spec: VmSpec, options: AdoptOptions): Promise<VmSession | undefined> {
    const { launcher, logger } = this.#parts;
    const paths = vmPaths(ref.runDir);
    const process = await launcher.adopt(paths.launcher, options);
    if (process === undefined) return undefined;
    const { pid, startTime, bootId } = process.identity;
    if (hasEnded(process) || pid !== ref.process.pid || startTime !== ref.process.startTime || bootId !== ref.process.bootId) {
      process.release();
      return undefined;
    }
    const info = await this.probe(spec.vmmPath, options);
    const accelerator = ref.argv.some((arg) => arg.includes('accel=kvm')) ? 'kvm' : 'tcg';
    const kvm = info.accelerators.find(({ name }) => name === 'kvm');
    const reason = spec.accelerator === 'auto' && accelerator === 'tcg' ? `KVM cannot be used: ${kvm?.reason ?? info.reason}` : '';
    const events = new EarlyEvents();
    const monitor = this.#monitor(spec, events.take);
    const session = this.#session(spec, ref, process, monitor, { version: info.version, accelerator, reason });
    events.to(session);
    try {
      await this.#whileRunning(process, (signal) => monitor.connect({ deadlineMs: ADOPT_MONITOR_MS, signal }), options.signal);
    } catch (error) {
      if (hasEnded(process) || options.signal?.aborted === true) {
        session.release();
        throwIfAborted(options.signal);
        return undefined;
      }
      // The VM goes on without its monitor; the session says so and keeps trying.
      logger.warn({ pid, err: error }, 'a VM was found again whose monitor does not answer');
      monitor.reconnectLater(error instanceof Error ? error.message : String(error));
      return session;
    }
    await this.#compare(session, monitor, spec, options);
    return session;
  }

  /** The VMM is asked what its VM has; what is not as recorded is told and changes nothing. */
  async #compare(session: QemuSession, monitor: Monitor, spec: VmSpec, options: AdoptOptions): Promise<void> {
    try {
      session.take({ kind: 'compared', differences: differences(inventoryOf(spec, options), await askInventory(monitor, options)) });
    } catch (error) {
      throwIfAborted(options.signal);
      this.#parts.logger.warn({ err: error, vm: spec.name }, 'a VM that was found again did not tell what it has');
    }
  }

  #choose(spec: VmSpec, info: HypervisorInfo): { accelerator: 'kvm' | 'tcg'; reason: string } {
    if (!info.usable) throw new DomainError('VMM_NOT_USABLE', `QEMU cannot be used: ${info.reason}`, { remedy: 'see viv doctor' });
    if (!info.machines.includes(spec.machine)) throw new DomainError('VMM_NOT_USABLE', `${info.path} has no machine ${spec.machine}`, { remedy: 'choose another machine in the profile' });
    const chosen = chooseAccelerator(spec.accelerator, info.accelerators);
    // Its ACPI is of the reduced kind, where Linux uses no PIT; KVM tells the guest its clock's rate, emulation does not, and the boot would hang.
    if (spec.machine === 'microvm' && chosen.accelerator === 'tcg' && !spec.kernelParams.includes('tsc_early_khz=')) {
      throw new DomainError('UNSUPPORTED', 'under emulation a microvm finds no clock to boot with', {
        remedy: 'use machine = "q35", or tell the host\'s TSC rate with tsc_early_khz=… in kernel_params',
      });
    }
    return chosen;
  }

  /** What QEMU would refuse after it was started is refused before. */
  async #checkFiles(spec: VmSpec): Promise<void> {
    const longest = longestSocket(spec.runDir);
    if (Buffer.byteLength(longest) > MAX_SOCKET_PATH_BYTES) {
      throw new DomainError('HOST_RESOURCE', `socket path is longer than ${MAX_SOCKET_PATH_BYTES} bytes: ${longest}`, { remedy: 'use a shorter run directory (--run)' });
    }
    const wanted = [['kernel', spec.kernel], ['initrd', spec.initrd], ['image', spec.image]] as const;
    await Promise.all(
      wanted.map(async ([what, path]) => {
        if (path === '' || (await this.#parts.files.identify(path)) !== undefined) return;
        throw new DomainError('GUEST_NOT_FOUND', `the guest's ${what} is not there: ${path}`, { remedy: 'build the guest (viv guest build), or correct the path in the profile', facts: { path } });
      }),
    );
  }

  #monitor(spec: VmSpec, emit: (event: VmEvent) => void): Monitor {
    const { dialer, clock, logger, metrics } = this.#parts;
    return new Monitor({ path: vmPaths(spec.runDir).qmpSocket, dialer, clock, metrics, logger: logger.child({ vm: spec.name }), emit });
  }

  #session(spec: VmSpec, ref: VmRef, process: SupervisedProcess, monitor: Monitor, seen: { version: string; accelerator: 'kvm' | 'tcg'; reason: string }): QemuSession {
    const mode: VmSession['mode'] = {
      hypervisor: 'qemu',
      hypervisorVersion: seen.version,
      accelerator: seen.accelerator,
      acceleratorReason: seen.reason,
      machine: spec.machine,
      transport: spec.agentPort ? 'virtio-serial' : 'none',
    };
    const { clock, logger, taps } = this.#parts;
    return new QemuSession({ ref, taps, mode, paths: vmPaths(ref.runDir), agentPort: spec.agentPort, process, clock, logger: logger.child({ vm: spec.name }) }, monitor);
  }

  /** Undo of a start. Its own failure is logged: the caller is told why the start failed. */
  async #endProcess(process: SupervisedProcess): Promise<void> {
    const { clock, logger } = this.#parts;
    try {
      await process.signal(SIGKILL);
      await Promise.race([process.ended, clock.sleep(KILL_MS)]);
    } catch (error) {
      logger.error({ pid: process.identity.pid, err: error }, 'cannot end a VM whose start failed');
    } finally {
      process.release();
    }
  }

  /** The work's outcome, or VMM_EXITED as soon as the process ends, whichever is first. */
  async #whileRunning<T>(process: SupervisedProcess, work: (signal: AbortSignal) => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    using linked = linkSignals(signal);
    using _watch = onEnd(process, (end) => { linked.abort(exitedError(end)); });
    try {
      return await raceSignal(work(linked.signal), linked.signal);
    } catch (error) {
      if (linked.signal.aborted) throw reasonOf(linked.signal);
      // A dying VMM closes its sockets first and is reaped a moment later.
      await Promise.race([process.ended, this.#parts.clock.sleep(DEATH_GRACE_MS)]);
      if (process.end !== undefined) throw exitedError(process.end, error);
      throw error instanceof DomainError ? error : new DomainError('VMM_FAILED', `QEMU's monitor failed: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  }
}

/** Keeps what the monitor tells before there is a session to tell it to. */
class EarlyEvents {
  #kept: VmEvent[] = [];
  #session: QemuSession | undefined;
  readonly take = (event: VmEvent): void => {
    if (this.#session === undefined) this.#kept.push(event);
    else this.#session.take(event);
  };

  to(session: QemuSession): void {
    this.#session = session;
    for (const event of this.#kept.splice(0)) session.take(event);
  }
}

/** Calls back at the end of the process unless disposed of before: the promise of its end lives as long as it and must not keep what is over. */
function onEnd(process: SupervisedProcess, callback: (end: ProcessEnd) => void): Disposable {
  const watch: { callback: ((end: ProcessEnd) => void) | undefined } = { callback };
  void process.ended.then((end) => watch.callback?.(end));
  return { [Symbol.dispose]: () => { watch.callback = undefined; } };
}

function hasEnded(process: SupervisedProcess): boolean {
  return process.end !== undefined;
}
