import { toDomainError } from '../core/model/errors.ts';
import type { DomainError } from '../core/model/errors.ts';
import type { GuestAgent } from '../core/ports/agent.ts';
import type { Clock } from '../core/ports/host.ts';

export interface HealthWatchOptions {
  readonly clock: Clock;
  /** From the end of one check to the beginning of the next. */
  readonly intervalMs: number;
  /** Called when the answer changes, first with the first failure. It only tells: what to do about it is the listener's to decide. */
  readonly onChange: (health: { readonly healthy: true } | { readonly healthy: false; readonly error: DomainError }) => void;
}

/** Asks an agent regularly whether it is well. Rests while the VM is paused, since a paused guest is not ill. */
export class HealthWatch {
  readonly #agent: Pick<GuestAgent, 'check'>;
  readonly #options: HealthWatchOptions;
  #timer: Disposable | undefined;
  #check: AbortController | undefined;
  #healthy = true;
  #state: 'running' | 'resting' | 'stopped' = 'resting';

  constructor(agent: Pick<GuestAgent, 'check'>, options: HealthWatchOptions) {
    this.#agent = agent;
    this.#options = options;
  }

  /** Begins, or goes on after a rest. */
  start(): void {
    if (this.#state !== 'resting') return;
    this.#state = 'running';
    this.#schedule();
  }

  /** A check under way is dropped: its late answer would say nothing. */
  rest(): void {
    if (this.#state === 'running') this.#halt('resting');
  }

  /** For good. */
  stop(): void {
    this.#halt('stopped');
  }

  #halt(state: 'resting' | 'stopped'): void {
    this.#state = state;
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    this.#check?.abort(new Error('health watch halted'));
    this.#check = undefined;
  }

  #schedule(): void {
    this.#timer = this.#options.clock.timer(this.#options.intervalMs, () => { void this.#ask(); });
  }

  /** Never rejects. */
  async #ask(): Promise<void> {
    const check = new AbortController();
    this.#check = check;
    const error = await this.#agent.check({ signal: check.signal }).then(() => undefined, toDomainError);
    if (check.signal.aborted) return;
    this.#check = undefined;
    this.#tell(error);
    this.#schedule();
  }

  #tell(error: DomainError | undefined): void {
    const healthy = error === undefined;
    if (healthy === this.#healthy) return;
    this.#healthy = healthy;
    this.#options.onChange(error === undefined ? { healthy: true } : { healthy: false, error });
  }
}
