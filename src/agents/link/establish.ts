import { addAbortListener } from 'node:events';

import { deferred, reasonOf, throwIfAborted } from '../../base/abort.ts';
import { DomainError } from '../../core/model/errors.ts';
import type { ByteStream, Clock, IdSource } from '../../core/ports/host.ts';
import { HandoverStream } from '../channel/handover-stream.ts';
import type { Token } from './blocks.ts';
import { BOOT_TOKEN, freshToken } from './blocks.ts';
import type { Agreement } from './machine.ts';
import { LinkMachine } from './machine.ts';
import type { TokenStore } from './token-store.ts';

const RESEND_MS = 100;

export interface LinkDeps {
  readonly clock: Clock;
  readonly ids: Pick<IdSource, 'random'>;
  readonly tokens: TokenStore;
}

export interface LinkOptions {
  readonly tokenFile: string;
  /** From now. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

export interface Link {
  /** Frames from the first byte on. */
  readonly stream: ByteStream;
  /** Hex; names the agent process. */
  readonly instance: string;
}

/**
 * Agrees with the guest where frames begin (docs/protocols/agent-link.md). Nobody may be listening yet: the greeting is repeated until it is heard.
 *
 * Rejects BOOT_TIMEOUT at the deadline, AGENT_UNREACHABLE when the stream ends, HOST_RESOURCE when the tokens can't be kept, or the signal's reason.
 * The stream is closed then.
 */
export async function establishLink(raw: ByteStream, deps: LinkDeps, options: LinkOptions): Promise<Link> {
  const stream = new HandoverStream(raw);
  try {
    const known = withBoot(await deps.tokens.load(options.tokenFile));
    const next = freshToken((bytes) => deps.ids.random(bytes));
    await deps.tokens.save(options.tokenFile, [...known, next]);
    throwIfAborted(options.signal);
    const machine = new LinkMachine(known, next);
    const agreement = await greet(stream, machine, deps.clock, options);
    await deps.tokens.save(options.tokenFile, [next]);
    stream.write([machine.opening()]);
    return { stream, instance: Buffer.from(agreement.instance).toString('hex') };
  } catch (error) {
    stream.close();
    throw error;
  }
}

/** A guest that was started anew holds the boot token whatever the file says; to any other it is noise. */
function withBoot(known: readonly Token[]): readonly Token[] {
  return known.some((token) => Buffer.compare(token, BOOT_TOKEN) === 0) ? known : [BOOT_TOKEN, ...known];
}

async function greet(stream: HandoverStream, machine: LinkMachine, clock: Clock, options: LinkOptions): Promise<Agreement> {
  const outcome = deferred<Agreement>();
  const cleanup: Disposable[] = [];
  let repeat: Disposable | undefined;
  let draining = false;
  const send = (): void => {
    if (!draining && !stream.write(machine.greeting())) {
      draining = true;
      void stream.drained().then(() => { draining = false; });
    }
    repeat = clock.timer(RESEND_MS, send);
  };
  const { signal } = options;
  if (signal !== undefined) cleanup.push(addAbortListener(signal, () => { outcome.reject(reasonOf(signal)); }));
  cleanup.push(clock.timer(options.timeoutMs, () => { outcome.reject(unheard(options.timeoutMs)); }));
  stream.onClose((error) => { outcome.reject(closedEarly(error)); });
  stream.onData((chunk) => {
    const agreement = machine.push(chunk);
    if (agreement !== undefined) {
      stream.handOver(agreement.rest);
      outcome.resolve(agreement);
    }
  });
  send();
  try {
    return await outcome.promise;
  } finally {
    repeat?.[Symbol.dispose]();
    for (const item of cleanup) item[Symbol.dispose]();
  }
}

function unheard(timeoutMs: number): DomainError {
  return new DomainError('BOOT_TIMEOUT', `no agent answered in the guest within ${timeoutMs} ms`, {
    remedy: 'look at the sandbox console: the guest may not have booted, or its agent may be another than its profile names',
  });
}

function closedEarly(cause: Error | undefined): DomainError {
  const why = cause === undefined ? '' : `: ${cause.message}`;
  return new DomainError('AGENT_UNREACHABLE', `the channel to the guest closed before its agent answered${why}`, { facts: { why: 'link' }, cause });
}
