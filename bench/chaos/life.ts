import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { createClientFactory } from 'nice-grpc';
import { errorDetailsClientMiddleware } from 'nice-grpc-error-details';
import { deferred } from '../../src/base/abort.ts';
import { brokeOff, daemonFailure, isUnreachable } from '../../src/cli/client/daemon-failure.ts';
import type { TestDaemon } from '../../test/system/daemon.ts';
import { BenchClient } from '../daemon/client.ts';

/** Whatever is asked is over within this, or it hangs. */
const OVER_MS = 150_000;
const AGAIN_MS = 20;

export type Work<T> = (client: BenchClient, signal: AbortSignal) => Promise<T>;

/** A daemon that is killed now and then, and callers that ask again until it answers. */
export class DaemonLife implements Disposable {
  readonly daemon: TestDaemon;
  /** In the environment of the daemon and of what it starts itself: whose a process is, without the daemon's own marks. */
  readonly mark = randomUUID();
  readonly #signal: AbortSignal;
  #client: BenchClient;
  #up = deferred<undefined>();
  #crashes = 0;
  #lastCrashMs = -Infinity;

  /** Of a daemon that has been stopped; `begin` starts it. */
  constructor(daemon: TestDaemon, signal: AbortSignal) {
    this.daemon = daemon;
    this.#signal = signal;
    this.#client = this.#connect();
  }

  get crashes(): number {
    return this.#crashes;
  }

  /** Of performance.now(). */
  get lastCrashMs(): number {
    return this.#lastCrashMs;
  }

  async begin(): Promise<void> {
    await this.daemon.boot({ VIVARIUM_BENCH_MARK: this.mark });
    this.#client[Symbol.dispose]();
    this.#client = this.#connect();
    this.#up.resolve(undefined);
  }

  /** SIGKILL, and the next one after some time. Never two at once. */
  async crash(awayMs: number): Promise<void> {
    this.#up = deferred<undefined>();
    this.#crashes += 1;
    this.#lastCrashMs = performance.now();
    await this.daemon.crash();
    await delay(awayMs);
    await this.begin();
  }

  async end(): Promise<void> {
    this.#client[Symbol.dispose]();
    await this.daemon.stop();
  }

  /** Asks until there is an answer, success or refusal: what a caller does whose connection breaks. The request's id has to be the same each time. */
  async ask<T>(work: Work<T>): Promise<T> {
    const signal = AbortSignal.any([this.#signal, AbortSignal.timeout(OVER_MS)]);
    for (;;) {
      await this.#up.promise;
      const before = this.#crashes;
      try {
        return await work(this.#client, signal);
      } catch (error) {
        if (signal.aborted) throw new Error(this.#signal.aborted ? 'the run was cut short' : `no answer within ${OVER_MS} ms`, { cause: error });
        if (!isWorthAnother(error, this.#crashes !== before)) throw error;
      }
      await delay(AGAIN_MS, undefined, { signal });
    }
  }

  [Symbol.dispose](): void {
    this.#client[Symbol.dispose]();
  }

  #connect(): BenchClient {
    return new BenchClient(this.daemon.host, createClientFactory().use(errorDetailsClientMiddleware));
  }
}

function isWorthAnother(error: unknown, crashed: boolean): boolean {
  const failure = daemonFailure(error);
  // A channel that was closed under a call says so without a gRPC code.
  if (failure === undefined) return crashed;
  return failure.reason === 'RECOVERING' || failure.reason === 'SHUTTING_DOWN' || isUnreachable(failure) || (crashed && (brokeOff(failure) || failure.reason === ''));
}
