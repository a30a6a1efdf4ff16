import type { ClientMiddleware } from 'nice-grpc';
import type { Clock } from '../host.ts';
import { reconnectStep, type ReconnectPolicy } from '../stream/reconnect-policy.ts';
import { brokeOff, daemonFailure, isResumable } from './daemon-failure.ts';

export interface RepeatParts {
  readonly clock: Clock;
  /** Tells the user, on standard error. */
  readonly say: (line: string) => void;
  readonly policy: ReconnectPolicy;
}

/**
 * A call with a request id whose connection broke is sent again with the same id until the daemon is back: it carries the request out once, or
 * answers what came of it. What tells its progress (a pull, an import, a build of a guest) begins to tell anew. A daemon that was never reached is not
 * waited for.
 */
export function repeatCall({ clock, say, policy }: RepeatParts): ClientMiddleware {
  return async function* repeat(call, options) {
    const { signal } = options;
    if (call.requestStream || !hasRequestId(call.request)) return yield* call.next(call.request, options);
    let brokenAt: number | undefined;
    let told = false;
    for (let attempt = 0; ; attempt += 1) {
      try {
        return yield* call.next(call.request, options);
      } catch (error) {
        const failure = daemonFailure(error);
        if (failure === undefined || signal?.aborted === true || !(brokenAt === undefined ? brokeOff(failure) : isResumable(failure))) throw error;
        const now = clock.now().getTime();
        brokenAt ??= now;
        const step = reconnectStep(policy, attempt, now - brokenAt);
        if (step.kind === 'give-up') throw error;
        if (step.tell && !told) say('viv: lost the connection to the daemon; waiting for it to come back');
        told ||= step.tell;
        await clock.sleep(step.delayMs, signal);
      }
    }
  };
}

function hasRequestId(request: unknown): boolean {
  return typeof request === 'object' && request !== null && 'requestId' in request && typeof request.requestId === 'string' && request.requestId !== '';
}
