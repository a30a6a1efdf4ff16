import { rename, readFile, writeFile } from 'node:fs/promises';

import { GuestAgentConnector } from '../../../src/agents/connector.ts';
import { TokenStore } from '../../../src/agents/link/token-store.ts';
import type { ByteStream, Clock, SocketDialer } from '../../../src/core/ports/host.ts';
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

  write(bytes: Uint8Array): void {
    this.#last?.write([bytes]);
  }

  cut(): void {
    this.#last?.close();
  }
}

export function realTokens(): TokenStore {
  return new TokenStore({ readFile, writeFile, rename });
}

/** A connector as the daemon's wiring makes it. */
export function realConnector(dialer: SocketDialer, clock: Clock = new SystemClock(), metrics: CountedMetrics = new CountedMetrics()): GuestAgentConnector {
  return new GuestAgentConnector({ dialer, clock, ids: new SystemIdSource(), metrics, tokens: realTokens() });
}
