import { deferred, deadline, raceSignal, type Deferred } from '../../base/abort.ts';
import { DomainError } from '../../core/model/errors.ts';
import type { AgentConnector, AgentEvent, AgentTarget, GuestAgent } from '../../core/ports/agent.ts';
import type { Deps, HealthCheck } from './deps.ts';
import type { Clock, WaitOptions } from '../../core/ports/host.ts';

const RECONNECT_DEADLINE_MS = 10_000;
const RECONNECT_PAUSE_MS = 500;
/** How long a caller waits for an agent that is being reconnected. */
const WAIT_MS = 15_000;
const LOSS_MS = 1000;

export interface AgentHandleOptions {
  readonly clock: Clock;
  readonly connector: AgentConnector;
  readonly target: AgentTarget;
  readonly watchHealth: Deps['watchHealth'];
  readonly onEvent: (event: AgentEvent) => void;
  /** The agent can't be reached (with the reason), or is back. */
  readonly onReachable: (reachable: boolean, detail: string) => void;
}

/** The agent of one guest, across lost links: it connects anew by itself, and callers wait for that. */
export class AgentHandle {
  readonly #options: AgentHandleOptions;
  readonly #end = new AbortController();
  #agent: GuestAgent | undefined;
  #health: HealthCheck | undefined;
  #reachable = true;
  #loss: Deferred<undefined> = deferred<undefined>();
  #next: Deferred<GuestAgent> = deferred<GuestAgent>();

  constructor(options: AgentHandleOptions) {
    this.#options = options;
    this.#next.promise.catch(() => undefined);
  }

  get current(): GuestAgent | undefined {
    return this.#agent;
  }

  /** For good: nobody connects it again, and `get` refuses at once. */
  get closed(): boolean {
    return this.#closed();
  }

  /** A call, so that no check before an await is taken to hold after it. */
  #closed(): boolean {
    return this.#end.signal.aborted;
  }

  async connect(deadlineMs: number, options: WaitOptions): Promise<GuestAgent> {
    const agent = await this.#options.connector.connect(this.#options.target, { deadlineMs, signal: options.signal });
    if (this.#closed()) {
      agent.close();
      throw gone();
    }
    this.#take(agent);
    return agent;
  }

  /** Asks again and again in the background until there is an agent or the handle is closed. */
  connectWhenever(onConnected: (agent: GuestAgent) => void): void {
    void this.#reconnect('not yet connected').then(() => {
      if (this.#agent !== undefined) onConnected(this.#agent);
    });
  }

  /** The agent, as soon as there is one. AGENT_UNREACHABLE after a while, or at once when the VM is gone. */
  async get(options: WaitOptions = {}): Promise<GuestAgent> {
    if (this.#agent !== undefined) return this.#agent;
    // The promise of the next agent may have been kept before: with the agent that is closed now.
    if (this.#closed()) throw gone();
    using timer = deadline({
      ms: WAIT_MS,
      timer: (ms, callback) => this.#options.clock.timer(ms, callback),
      reason: () => new DomainError('AGENT_UNREACHABLE', `the guest's agent could not be reached for ${WAIT_MS / 1000} s`, { remedy: 'look at the console of the sandbox; stop it with force if it does not come back' }),
      signals: [options.signal],
    });
    return await raceSignal(this.#next.promise, timer.signal);
  }

  /** Whether this agent's link is lost, after a call failed as if it were: its loss is told a moment before or after its calls fail. */
  async hasLost(agent: GuestAgent): Promise<boolean> {
    if (this.#agent === agent) {
      const over = new AbortController();
      const timer = this.#options.clock.timer(LOSS_MS, () => { over.abort(gone()); });
      await raceSignal(this.#loss.promise, over.signal).catch(() => undefined);
      timer[Symbol.dispose]();
    }
    return this.#agent !== agent;
  }

  /** For good: the VM has ended or we let go of it. The guest is not told. */
  close(): void {
    this.#end.abort(gone());
    this.#health?.stop();
    this.#agent?.close();
    this.#agent = undefined;
    this.#loss.resolve(undefined);
    this.#next.reject(gone());
  }

  /** The VM is paused, or goes on: deadlines and health checks rest meanwhile. */
  rest(resting: boolean): void {
    this.#agent?.rest(resting);
    if (resting) this.#health?.rest();
    else this.#health?.start();
  }

  #take(agent: GuestAgent): void {
    this.#agent = agent;
    this.#health = this.#options.watchHealth(agent, (problem) => { this.#tell(problem === undefined, problem ?? ''); });
    this.#health.start();
    const next = this.#next;
    agent.onEvent((event) => {
      if (event.kind === 'lost') this.#lost(agent, event.error);
      else this.#options.onEvent(event);
    });
    next.resolve(agent);
  }

  #lost(agent: GuestAgent, error: Error): void {
    if (this.#agent !== agent || this.#closed()) return;
    this.#health?.stop();
    this.#agent = undefined;
    this.#next = deferred<GuestAgent>();
    this.#next.promise.catch(() => undefined);
    const loss = this.#loss;
    this.#loss = deferred<undefined>();
    loss.resolve(undefined);
    agent.close();
    void this.#reconnect(error.message);
  }

  /** Only news. */
  #tell(reachable: boolean, detail: string): void {
    if (reachable && this.#reachable) return;
    this.#reachable = reachable;
    this.#options.onReachable(reachable, detail);
  }

  async #reconnect(detail: string): Promise<void> {
    const { signal } = this.#end;
    while (!this.#closed()) {
      try {
        await this.connect(RECONNECT_DEADLINE_MS, { signal });
        // Also after checks that failed before the link was lost: a new watch knows nothing of these.
        this.#tell(true, '');
        return;
      } catch (error) {
        if (this.#closed()) return;
        if (this.#reachable) this.#tell(false, `${detail}; ${String(error)}`);
        await this.#options.clock.sleep(RECONNECT_PAUSE_MS, { signal }).catch(() => undefined);
      }
    }
  }
}

function gone(): DomainError {
  return new DomainError('AGENT_UNREACHABLE', 'the VM has ended', { remedy: 'start the sandbox again' });
}
