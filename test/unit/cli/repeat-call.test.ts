import { ClientError, Status } from 'nice-grpc';
import type { CallOptions, ClientMiddlewareCall } from 'nice-grpc';
import { ErrorInfo, RichClientError } from 'nice-grpc-error-details';
import { describe, expect, it } from 'vitest';
import { repeatCall } from '../../../src/cli/client/repeat-call.ts';
import { callReconnectPolicy } from '../../../src/cli/stream/reconnect-policy.ts';

const PATH = '/vivarium.v1.SandboxService/StopSandbox';
const BROKEN = new ClientError(PATH, Status.UNAVAILABLE, 'Connection dropped');
const NEVER_REACHED = new ClientError(PATH, Status.UNAVAILABLE, 'No connection established. Last error: ENOENT');
const BACK_SOON = new RichClientError(PATH, Status.UNAVAILABLE, 'the daemon is stopping', [ErrorInfo.fromPartial({ reason: 'SHUTTING_DOWN', domain: 'vivarium' })]);
const REFUSED = new RichClientError(PATH, Status.NOT_FOUND, 'no such sandbox', [ErrorInfo.fromPartial({ reason: 'SANDBOX_NOT_FOUND', domain: 'vivarium' })]);

interface Made {
  readonly outcomes: readonly (Error | string)[];
  readonly request?: object;
  readonly stream?: boolean;
  readonly signal?: AbortSignal;
}

/** One call through the middleware; the last outcome repeats. `sent` are the requests that went out. */
async function run({ outcomes, request = { requestId: 'r' }, stream = false, signal }: Made): Promise<{ answer: unknown; sent: unknown[]; said: string[]; waitedMs: number }> {
  const sent: unknown[] = [];
  const said: string[] = [];
  let nowMs = 0;
  const clock = { now: () => new Date(nowMs), sleep: async (ms: number) => { nowMs += ms; await Promise.resolve(); } };
  const repeat = repeatCall({ clock, say: (line) => { said.push(line); }, policy: callReconnectPolicy });
  const call = {
    requestStream: false,
    responseStream: stream,
    request,
    next: async function* next(message: unknown) {
      sent.push(message);
      const outcome = outcomes[Math.min(sent.length, outcomes.length) - 1];
      if (outcome instanceof Error) throw outcome;
      return await Promise.resolve(outcome);
    },
  } as unknown as ClientMiddlewareCall<unknown, unknown>;
  const options: CallOptions = signal === undefined ? {} : { signal };
  const answer = await repeat(call, options).next().then(({ value }) => value, (error: unknown) => error);
  return { answer, sent, said, waitedMs: nowMs };
}

describe('a call with a request id whose connection breaks', () => {
  it('is sent again, the same, until the daemon is back; quietly when that is soon', async () => {
    const { answer, sent, said } = await run({ outcomes: [BROKEN, NEVER_REACHED, BACK_SOON, 'done'] });
    expect(answer).toBe('done');
    expect(sent).toEqual([{ requestId: 'r' }, { requestId: 'r' }, { requestId: 'r' }, { requestId: 'r' }]);
    expect(said).toEqual([]);
  });

  it('says once that it waits, and gives up with the last error', async () => {
    const { answer, said, waitedMs } = await run({ outcomes: [BROKEN, NEVER_REACHED] });
    expect(answer).toBe(NEVER_REACHED);
    expect(said).toEqual(['viv: lost the connection to the daemon; waiting for it to come back']);
    expect(waitedMs).toBeGreaterThanOrEqual(callReconnectPolicy.giveUpMs);
    expect(waitedMs).toBeLessThan(callReconnectPolicy.giveUpMs + callReconnectPolicy.maxDelayMs);
  });

  it('tells its progress anew where it is a stream', async () => {
    const { answer, sent } = await run({ outcomes: [BROKEN, 'done'], stream: true });
    expect([answer, sent.length]).toEqual(['done', 2]);
  });

  it('ends with what the daemon says once it is back', async () => {
    const { answer, sent } = await run({ outcomes: [BROKEN, REFUSED] });
    expect([answer, sent.length]).toEqual([REFUSED, 2]);
  });
});

describe('a call is not sent again', () => {
  it.each<[string, Made]>([
    ['that never reached a daemon', { outcomes: [NEVER_REACHED] }],
    ['that a daemon on its way out has refused', { outcomes: [BACK_SOON] }],
    ['that was refused', { outcomes: [REFUSED] }],
    ['without a request id', { outcomes: [BROKEN], request: { sandboxId: 'sb' } }],
    ['with an empty one', { outcomes: [BROKEN], request: { requestId: '' } }],
    ['that is a stream without an id', { outcomes: [BROKEN], request: { containerId: 'c' }, stream: true }],
    ['that its user gave up', { outcomes: [BROKEN], signal: AbortSignal.abort() }],
    ['that failed here', { outcomes: [new Error('a bug')] }],
  ])('%s', async (_, made) => {
    const { answer, sent, waitedMs } = await run(made);
    expect([answer, sent.length, waitedMs]).toEqual([made.outcomes[0], 1, 0]);
  });
});
