import { raceSignal } from '../base/abort.ts';
import { DomainError } from '../core/model/errors.ts';
import type { Failpoint, Failpoints } from '../core/ports/failpoints.ts';
import type { Clock, WaitOptions } from '../core/ports/host.ts';

const ACTIONS = ['park', 'hang', 'fail'] as const;

export interface FailpointRule {
  readonly point: string;
  /** The sandbox's name. */
  readonly sandbox: string;
  /**
   * `park`: waits for ever; only the end of the daemon, or the signal of the step, lets it go. `hang`: the same, but ends with DEADLINE after `ms`
   * where a step has no signal. `fail`: rejects HOST_RESOURCE.
   */
  readonly action: (typeof ACTIONS)[number];
  readonly ms: number;
  /** So many times, then never again. */
  readonly times: number;
}

const HANG_MS = 1000;

/** Rules from a file's text: a JSON array of rules. Throws with what is wrong: a test that arms nothing by mistake must not pass. */
export function parseFailpointRules(text: string): readonly FailpointRule[] {
  const value: unknown = JSON.parse(text);
  if (!Array.isArray(value)) throw new Error('failpoints: not an array of rules');
  return value.map((rule: unknown, index) => {
    const { point, sandbox, action, ms = HANG_MS, times = 1 } = Object(rule) as Record<string, unknown>;
    const known = ACTIONS.find((name) => name === action);
    if (typeof point !== 'string' || typeof sandbox !== 'string' || known === undefined || typeof ms !== 'number' || typeof times !== 'number') {
      throw new Error(`failpoints: rule ${index} is not {point, sandbox, action: ${ACTIONS.join(' | ')}, ms?, times?}`);
    }
    return { point, sandbox, action: known, ms, times };
  });
}

export interface FailpointRulesParts {
  readonly rules: readonly FailpointRule[];
  readonly clock: Clock;
  /** Told of every point that is reached, armed or not, before anything is done about it. */
  readonly onReached: (point: Failpoint, sandbox: string, armed: boolean) => void;
}

/** Failpoints by rules: what `VIVARIUM_FAILPOINTS` arms. */
export class FailpointRules implements Failpoints {
  readonly #armed = new Map<string, { readonly rule: FailpointRule; left: number }>();
  readonly #clock: Clock;
  readonly #onReached: FailpointRulesParts['onReached'];

  constructor(parts: FailpointRulesParts) {
    for (const rule of parts.rules) this.#armed.set(keyOf(rule.point, rule.sandbox), { rule, left: rule.times });
    this.#clock = parts.clock;
    this.#onReached = parts.onReached;
  }

  reach(point: Failpoint, sandbox: string, options: WaitOptions = {}): Promise<void> | undefined {
    const armed = this.#armed.get(keyOf(point, sandbox));
    const meant = armed !== undefined && armed.left > 0;
    this.#onReached(point, sandbox, meant);
    if (!meant) return undefined;
    armed.left -= 1;
    return this.#act(armed.rule, options);
  }

  async #act(rule: FailpointRule, options: WaitOptions): Promise<void> {
    switch (rule.action) {
      case 'fail':
        throw new DomainError('HOST_RESOURCE', `failed on command at ${rule.point}`, { remedy: 'disarm this point of failure' });
      case 'park':
        await raceSignal(new Promise<never>(() => undefined), options.signal);
        return;
      case 'hang':
        await this.#clock.sleep(rule.ms, options);
        throw new DomainError('DEADLINE', `hung on command at ${rule.point} for ${rule.ms} ms`);
    }
  }
}

function keyOf(point: string, sandbox: string): string {
  return `${sandbox}\n${point}`;
}
