/** How long a stream that broke is tried again, and when the user hears of it. */
export interface ReconnectPolicy {
  readonly firstDelayMs: number;
  readonly maxDelayMs: number;
  /** A break shorter than this goes unmentioned. */
  readonly quietMs: number;
  readonly giveUpMs: number;
}

/** A daemon that is replaced is back within seconds; an exec without a client is kept for 60 s. */
export const defaultReconnectPolicy: ReconnectPolicy = { firstDelayMs: 50, maxDelayMs: 1000, quietMs: 2000, giveUpMs: 120_000 };

/** A call without a stream: its request is remembered for longer, but its user waits for a prompt. */
export const callReconnectPolicy: ReconnectPolicy = { ...defaultReconnectPolicy, giveUpMs: 30_000 };

export type ReconnectStep = { readonly kind: 'give-up' } | { readonly kind: 'retry'; readonly delayMs: number; readonly tell: boolean };

/**
 * What to do after a failed attempt.
 * @param attempt 0 for the first try after the break
 * @param brokenForMs since the stream broke
 */
export function reconnectStep(policy: ReconnectPolicy, attempt: number, brokenForMs: number): ReconnectStep {
  if (brokenForMs >= policy.giveUpMs) return { kind: 'give-up' };
  return { kind: 'retry', delayMs: Math.min(policy.firstDelayMs * 2 ** attempt, policy.maxDelayMs), tell: brokenForMs >= policy.quietMs };
}
