import { raceSignal } from '../base/abort.ts';
import { DomainError } from '../core/model/errors.ts';
import type { Failpoint, Failpoints } from '../core/ports/failpoints.ts';
import type { Clock, WaitOptions } from '../core/ports/host.ts';

const ACTIONS = ['park', 'hang', 'fail', 'delay'] as const;

export interface FailpointRule {
  readonly point: string;
  /** The sandbox's name. */
  readonly sandbox: string;
  /**
   * `park`: waits for ever; only the end of the daemon, or the signal of the step, lets it go. `hang`: waits `ms`, then rejects DEADLINE.
   * `fail`: waits `ms`, then rejects HOST_RESOURCE. `delay`: waits `ms` and goes on. All of them end with the signal of the step.
   */
  readonly action: (typeof ACTIONS)[number];
  readonly ms: number;
  /** It is let pass so many times first. */
  readonly skip: number;
}

/** Rules from a file's text: a JSON array of rules. Throws with what is wrong: a test that arms nothing by mistake must not pass. */
export function parseFailpointRules(text: string): readonly FailpointRule[] {
  const value: unknown = JSON.parse(text);
  if (!Array.isArray(value)) throw new Error('failpoints: not an array of rules');
  return value.map((rule: unknown, index) => {
    const { point, sandbox, action, ms = 0, skip = 0 } = Object(rule) as Record<string, unknown>;
    const known = ACTIONS.find((name) => name === action);
    if (typeof point !== 'string' || typeof sandbox !== 'string' || known === undefined || typeof ms !== 'number' || typeof skip !== 'number') {
      throw new Error(`failpoints: rule ${index} is not {point, sandbox, action: ${ACTIONS.join(' | ')}, ms?, skip?}`);
    }
    return { point, sandbox, action: known, ms, skip };
  });
}

export interface FailpointRulesParts {
  readonly rules: readonly FailpointRule[];
  readonly clock: Clock;
  /** Told of every point that is reached, armed or not, before anything is done about it. */
  readonly onReached: (point: Failpoint, sandbox: string, armed: boolean) => void;
}

/** Failpoints by rules, each of which acts once: what `VIVARIUM_FAILPOINTS` arms. */
export class FailpointRules implements Failpoints {
  readonly #armed = new Map<string, { readonly rule: FailpointRule; skip: number }>();
  readonly #clock: Clock;
  readonly #onReached: FailpointRulesParts['onReached'];

  constructor(parts: FailpointRulesParts) {
    for (const rule of parts.rules) this.#armed.set(keyOf(rule.point, rule.sandbox), { rule, skip: rule.skip });
    this.#clock = parts.clock;
    this.#onReached = parts.onReached;
  }

  reach(point: Failpoint, sandbox: string, options: WaitOptions = {}): Promise<void> | undefined {
    const key = keyOf(point, sandbox);
    const armed = this.#armed.get(key);
    const meant = armed !== undefined && armed.skip === 0;
    this.#onReached(point, sandbox, meant);
    if (armed === undefined) return undefined;
    if (!meant) {
      armed.skip -= 1;
      return undefined;
    }
    this.#armed.delete(key);
    return this.#act(armed.rule, options);
  }

  async #act(rule: FailpointRule, options: WaitOptions): Promise<void> {
    if (rule.action === 'park') return await raceSignal(new Promise<never>(() => undefined), options.signal);
    if (rule.ms > 0) await this.#clock.sleep(rule.ms, options);
    if (rule.action === 'hang') throw new DomainError('DEADLINE', `hung on command at ${rule.point} for ${rule.ms} ms`, { remedy: 'disarm this point of failure' });
    if (rule.action === 'fail') throw new DomainError('HOST_RESOURCE', `failed on command at ${rule.point}`, { remedy: 'disarm this point of failure' });
  }
}

function keyOf(point: string, sandbox: string): string {
  return `${sandbox}\n${point}`;
}
