import { rename, readFile, writeFile } from 'node:fs/promises';

import { GuestAgentConnector } from '../../../src/agents/connector.ts';
import { TokenStore } from '../../../src/agents/link/token-store.ts';
import type { ByteStream, SocketDialer } from '../../../src/core/ports/host.ts';
import { SystemIdSource } from '../../../src/host/id-source.ts';
import { SystemClock } from '../../../src/host/system-clock.ts';
import { UnixDialer } from '../../../src/host/unix-dialer.ts';
import { CountedMetrics } from '../../fakes/agent/counted-metrics.ts';

/** Remembers the last connection, so that a test can cut it. */
export class CuttingDialer implements SocketDialer {
  readonly #dialer: SocketDialer;
  #last: ByteStream | undefined;

  constructor(dialer: SocketDialer = new UnixDialer(new SystemClock())) {
    this.#dialer = dialer;
  }

  async dial(path: string, options: { deadlineMs: number; signal?: AbortSignal | undefined }): Promise<ByteStream> {
    this.#last = await this.#dialer.dial(path, options);
    return this.#last;
  }

  cut(): void {
    this.#last?.close();
  }
}

/** A connector as the daemon's wiring makes it. */
export function realConnector(dialer: SocketDialer, metrics: CountedMetrics = new CountedMetrics()): GuestAgentConnector {
  return new GuestAgentConnector({ dialer, clock: new SystemClock(), ids: new SystemIdSource(), metrics, tokens: new TokenStore({ readFile, writeFile, rename }) });
}
