import { brokeOff, daemonFailure, isResumable } from '../client/daemon-failure.ts';
import { CliError } from '../cli-error.ts';
import type { CommandContext } from '../context.ts';
import { defaultReconnectPolicy, reconnectStep, type ReconnectPolicy } from './reconnect-policy.ts';

interface Break {
  readonly since: number;
  readonly attempt: number;
  readonly told: boolean;
}

/** What a command that lasts does about a daemon that goes away: it asks again until the daemon is back, and tells the user when that takes long. */
export class Reconnection {
  readonly #context: Pick<CommandContext, 'host' | 'signal'>;
  readonly #policy: ReconnectPolicy;
  readonly #tell: (isAway: boolean) => void;
  #stood = false;
  #break: Break | undefined;

  /** @param tell shows the user that the daemon is away, and that it is back; by default on standard error */
  constructor(context: Pick<CommandContext, 'host' | 'signal'>, tell?: (isAway: boolean) => void, policy = defaultReconnectPolicy) {
    this.#context = context;
    this.#policy = policy;
    this.#tell = tell ?? ((isAway) => { context.host.stderr.write(isAway ? 'viv: lost the connection to the daemon; waiting for it to come back\n' : 'viv: connected to the daemon again\n'); });
  }

  /** The daemon has answered. */
  stands(): void {
    if (this.#break?.told === true) this.#tell(false);
    this.#stood = true;
    this.#break = undefined;
  }

  /**
   * Waits as long as the next attempt should.
   * @throws `error`, when it is not that a connection broke; a daemon that was never reached is not waited for
   */
  async after(error: unknown): Promise<void> {
    const { host, signal } = this.#context;
    const failure = daemonFailure(error);
    if (signal.aborted || failure === undefined || !(this.#stood || this.#break !== undefined ? isResumable(failure) : brokeOff(failure))) throw error;
    const now = host.clock.now().getTime();
    const current = this.#break ?? { since: now, attempt: 0, told: false };
    const step = reconnectStep(this.#policy, current.attempt, now - current.since);
    if (step.kind === 'give-up') throw new CliError('the connection to the daemon was lost and did not come back', { cause: error });
    if (step.tell && !current.told) this.#tell(true);
    this.#break = { since: current.since, attempt: current.attempt + 1, told: current.told || step.tell };
    await host.clock.sleep(step.delayMs, signal);
  }

  /** Asks until there is an answer. */
  async ask<Answer>(question: () => Promise<Answer>): Promise<Answer> {
    for (;;) {
      try {
        const answer = await question();
        this.stands();
        return answer;
      } catch (error) {
        await this.after(error);
      }
    }
  }
}
