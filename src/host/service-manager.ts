import type { Clock } from '../core/ports/host.ts';
import type { Logger } from '../core/ports/telemetry.ts';

/** What a service manager that started this process as a `Type=notify` service wants to hear, by the environment (sd_notify(3), sd_watchdog_enabled(3)). */
export interface ServiceManager {
  /** Unix datagram socket: a path, or an abstract name after `@`. */
  readonly socket: string;
  /** It takes this process for hung when it has heard nothing for so long; 0: it does not watch. */
  readonly watchdogMs: number;
}

/** Found and taken out of the environment, which children inherit: none of them speaks for this service. Undefined where no manager listens. */
export function takeServiceManager(env: Record<string, string | undefined>, pid: number): ServiceManager | undefined {
  const { NOTIFY_SOCKET: socket = '', WATCHDOG_USEC: usec = '', WATCHDOG_PID: watched = '' } = env;
  for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) Reflect.deleteProperty(env, name);
  if (!/^[/@]/.test(socket)) return undefined;
  const ours = watched === '' || watched === String(pid);
  return { socket, watchdogMs: ours && /^\d{1,15}$/.test(usec) ? Math.floor(Number(usec) / 1000) : 0 };
}

/**
 * What the resident helper is started by. Launches are forked from the helper and inherit its control group, so under a service manager it gets a
 * scope of its own beside the service: a restart or stop of the service touches no VM, and a start finds the service's own group empty. The scope of
 * a helper lasts as long as one of its launches.
 */
export function besideTheService(manager: ServiceManager | undefined): readonly string[] {
  if (manager === undefined) return [];
  const properties = ['TasksMax=infinity', 'TimeoutStopSec=10', 'CollectMode=inactive-or-failed'];
  return ['systemd-run', '--quiet', '--scope', '--slice=vivarium.slice', '--description=Virtual machines of Vivarium', ...properties.map((property) => `--property=${property}`), '--'];
}

export interface ServiceNotifierParts {
  readonly manager: ServiceManager;
  /** Sends one datagram as `pid`. */
  readonly send: (socket: string, pid: number, state: string) => Promise<void>;
  readonly pid: number;
  readonly clock: Pick<Clock, 'timer'>;
  readonly logger: Logger;
}

/** Tells the service manager how this daemon fares. What can't be told is logged: the manager draws its own conclusions. */
export class ServiceNotifier {
  readonly #parts: ServiceNotifierParts;
  #timer: Disposable | undefined;

  constructor(parts: ServiceNotifierParts) {
    this.#parts = parts;
  }

  /** Serving. From now on the watchdog hears from us, twice in its time, as long as the event loop turns. */
  async ready(): Promise<void> {
    this.#watch();
    await this.#tell(`READY=1\nSTATUS=serving`);
  }

  async stopping(): Promise<void> {
    await this.#tell('STOPPING=1\nSTATUS=stopping; VMs go on');
  }

  /** The watchdog hears nothing more. */
  stop(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }

  #watch(): void {
    const { manager, clock } = this.#parts;
    if (manager.watchdogMs === 0) return;
    this.#timer = clock.timer(manager.watchdogMs / 2, () => {
      this.#watch();
      void this.#tell('WATCHDOG=1');
    });
  }

  async #tell(state: string): Promise<void> {
    const { manager, pid, send, logger } = this.#parts;
    await send(manager.socket, pid, state).catch((error: unknown) => { logger.warn({ error, state }, 'the service manager was not told'); });
  }
}
