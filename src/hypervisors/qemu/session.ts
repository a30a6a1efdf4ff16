import { deadline, raceSignal } from '../../base/abort.ts';
import { DomainError } from '../../core/model/errors.ts';
import type { Clock, ProcessEnd, SupervisedProcess, TapCalls, WaitOptions } from '../../core/ports/host.ts';
import type { VmEvent, VmRef, VmSession, VmStatus } from '../../core/ports/hypervisor.ts';
import type { Logger } from '../../core/ports/telemetry.ts';
import { QmpClosedError } from '../qmp/errors.ts';
import type { QmpArguments, QmpCommand, QmpResult } from '../qmp/protocol.ts';
import { QemuHotplug } from './hotplug.ts';
import { DEATH_GRACE_MS } from './monitor.ts';
import type { Monitor } from './monitor.ts';
import type { VmPaths } from './paths.ts';
import { ScsiDisks } from './scsi-disks.ts';
import { addTap } from './tap-backend.ts';

const SIGKILL = 9;
/** A process that got SIGKILL is gone in milliseconds, unless the kernel holds it in an uninterruptible wait. */
const KILL_MS = 10_000;
/** After the guest's own end QEMU may finish its disks by itself. */
const QUIT_MS = 2000;
/** A guest causes few events of its own; more than these before anybody listens say nothing new. */
const EARLY_EVENTS = 64;

export interface SessionParts {
  readonly ref: VmRef;
  readonly mode: VmSession['mode'];
  readonly paths: VmPaths;
  readonly agentPort: boolean;
  readonly process: SupervisedProcess;
  readonly taps: TapCalls;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A live VM. The monitor reports to `take`; the launcher's process is the truth about its life. */
export class QemuSession implements VmSession {
  readonly ref: VmRef;
  readonly mode: VmSession['mode'];
  readonly agentSocket: string | undefined;
  readonly consoleSocket: string;
  readonly consoleFiles: readonly string[];
  readonly devices: QemuHotplug;
  readonly disks: ScsiDisks;
  readonly #parts: SessionParts;
  readonly #monitor: Monitor;
  readonly #early: VmEvent[] = [];
  #listener: ((event: VmEvent) => void) | undefined;
  #guestEnded = false;

  constructor(parts: SessionParts, monitor: Monitor) {
    this.#parts = parts;
    this.#monitor = monitor;
    this.ref = parts.ref;
    this.mode = parts.mode;
    this.agentSocket = parts.agentPort ? parts.paths.agentSocket : undefined;
    this.consoleSocket = parts.paths.consoleSocket;
    this.consoleFiles = parts.paths.consoleFiles;
    const execute = <C extends QmpCommand>(command: C, args: QmpArguments<C>, options: WaitOptions): Promise<QmpResult<C>> => this.#whileAlive(() => monitor.execute(command, args, options));
    this.disks = new ScsiDisks({ execute, clock: parts.clock });
    this.devices = new QemuHotplug({
      execute,
      tap: (call, options) => this.#whileAlive(() => addTap(parts.taps, parts.ref, call, options)),
      ended: parts.process.ended,
      exited: exitedError,
      clock: parts.clock,
    });
    void parts.process.ended.then(() => { monitor[Symbol.dispose](); });
  }

  get launcherPid(): number {
    return this.#parts.process.launcherPid;
  }

  get ended(): Promise<ProcessEnd> {
    return this.#parts.process.ended;
  }

  onEvent(listener: (event: VmEvent) => void): void {
    this.#listener = listener;
    for (const event of this.#early.splice(0)) listener(event);
  }

  /** What the monitor heard. A guest that powered off or reset has ended: its process goes too. A panicked one stays stopped, as evidence, until `kill`. */
  take(event: VmEvent): void {
    const isEnd = event.kind === 'guest-shutdown' || event.kind === 'guest-reboot' || event.kind === 'guest-panic';
    // The stop of the clock that comes with an end is no pause, and the first end counts.
    if (this.#guestEnded && (isEnd || event.kind === 'paused')) return;
    if (isEnd) this.#guestEnded = true;
    this.devices.heard(event);
    if (this.#listener !== undefined) this.#listener(event);
    else if (this.#early.length < EARLY_EVENTS) this.#early.push(event);
    if (event.kind === 'guest-shutdown' || event.kind === 'guest-reboot') {
      this.#finish().catch((error: unknown) => { this.#parts.logger.error({ err: error }, 'cannot end the process of a guest that has ended'); });
    }
  }

  async status(options: WaitOptions = {}): Promise<VmStatus> {
    return await this.#whileAlive(() => this.#monitor.status(options));
  }

  async pause(options: WaitOptions = {}): Promise<void> {
    await this.#whileAlive(() => this.#monitor.execute('stop', {}, options));
  }

  async resume(options: WaitOptions = {}): Promise<void> {
    await this.#whileAlive(() => this.#monitor.execute('cont', {}, options));
  }

  async powerDown(options: WaitOptions = {}): Promise<void> {
    await this.#whileAlive(() => this.#monitor.execute('system_powerdown', {}, options));
  }

  async kill(options: WaitOptions = {}): Promise<ProcessEnd> {
    const { process } = this.#parts;
    await process.signal(SIGKILL);
    return await this.#endWithin(KILL_MS, options);
  }

  async consoleTail(bytes: number): Promise<string> {
    return await this.#parts.process.tail('console', bytes);
  }

  release(): void {
    this.#monitor[Symbol.dispose]();
    this.#parts.process.release();
  }

  async #finish(): Promise<void> {
    // Refused or cut short by the end that it causes; either way the end itself is awaited.
    this.#monitor.execute('quit', {}).catch((error: unknown) => { this.#parts.logger.debug({ err: error }, 'quit was not answered'); });
    await this.#endWithin(QUIT_MS, {}).catch(async (error: unknown) => {
      this.#parts.logger.warn({ err: error }, 'QEMU does not quit; killing it');
      await this.kill();
    });
  }

  async #endWithin(ms: number, options: WaitOptions): Promise<ProcessEnd> {
    const { process, clock } = this.#parts;
    const reason = (): Error => new DomainError('DEADLINE', `process ${process.identity.pid} of the VM has not ended within ${ms} ms`, { facts: { pid: String(process.identity.pid) } });
    using limit = deadline({ ms, timer: (wait, callback) => clock.timer(wait, callback), reason, signals: [options.signal] });
    return await raceSignal(process.ended, limit.signal);
  }

  /** A command that fails because the VM has ended is told as that. */
  async #whileAlive<T>(command: () => Promise<T>): Promise<T> {
    const { process, clock } = this.#parts;
    try {
      return await command();
    } catch (error) {
      // A dying VMM closes its monitor first and is reaped a moment later.
      if (isClosed(error)) await Promise.race([process.ended, clock.sleep(DEATH_GRACE_MS)]);
      throw process.end === undefined ? error : exitedError(process.end, error);
    }
  }
}

function isClosed(error: unknown): boolean {
  return error instanceof Error && error.cause instanceof QmpClosedError;
}

/** The VMM's process has ended where it should not have. */
export function exitedError(end: ProcessEnd, cause?: unknown): DomainError {
  const how = { exited: `exited with code ${end.code}`, signalled: `was ended by signal ${end.signal}`, unknown: 'has ended' }[end.kind];
  const words = end.stderrTail.trim();
  return new DomainError('VMM_EXITED', `QEMU ${how}${words === '' ? '' : `: ${words}`}`, {
    facts: { code: String(end.code), signal: String(end.signal), stderr: words },
    ...(cause === undefined ? {} : { cause }),
  });
}
