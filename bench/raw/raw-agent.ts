import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { GuestAgentConnector } from '../../src/agents/connector.ts';
import { TokenStore } from '../../src/agents/link/token-store.ts';
import type { GuestAgent, ProcessKey } from '../../src/core/ports/agent.ts';
import { SystemClock } from '../../src/host/system-clock.ts';
import { UnixDialer } from '../../src/host/unix-dialer.ts';

export interface RawProcessEnd {
  readonly code: number;
  readonly stdoutBytes: bigint;
}

/** Calls straight to a guest's agent, with no daemon between. */
export class RawAgent implements Disposable {
  readonly agent: GuestAgent;
  /** The agent keeps what has ended for a while: two connections of one run must not use a name twice. */
  readonly #name = randomBytes(6).toString('hex');
  #execs = 0;

  private constructor(agent: GuestAgent) {
    this.agent = agent;
  }

  /** Resolves when the agent has answered Check. */
  static async connect(place: { readonly socketPath: string; readonly tokenFile: string }, signal: AbortSignal): Promise<RawAgent> {
    const clock = new SystemClock();
    const connector = new GuestAgentConnector({
      dialer: new UnixDialer(clock),
      clock,
      ids: { random: (bytes) => randomBytes(bytes) },
      tokens: new TokenStore(fs),
      metrics: { agentRpc: () => undefined, dropped: () => undefined },
    });
    return new RawAgent(await connector.connect({ kind: 'viv-agent', transport: 'virtio-serial', ...place }, { deadlineMs: 60_000, signal }));
  }

  /** Runs a process to its exit, reading and acknowledging its output: one call and a stream, and one more call to close its stdin when asked to. */
  async exec(containerId: string, args: readonly string[], signal: AbortSignal, options: { readonly closeStdin?: boolean } = {}): Promise<RawProcessEnd> {
    this.#execs += 1;
    const execId = `raw-${this.#name}-${this.#execs}`;
    await this.agent.exec({
      containerId, execId, args, env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'], cwd: '/', terminal: false,
      uid: 0, gid: 0, additionalGids: [], capabilities: [], noNewPrivileges: false, rlimits: [],
    }, { signal });
    const key = { containerId, execId };
    const [end] = await Promise.all([this.#end(key, signal), options.closeStdin === true ? this.#closeStdin(key, signal) : undefined]);
    return end;
  }

  /** One that has ended meanwhile has no stdin to close. */
  async #closeStdin(key: ProcessKey, signal: AbortSignal): Promise<void> {
    await this.agent.writeStdin(key, 0n, new Uint8Array(), true, { signal }).catch(() => undefined);
  }

  async #end(key: ProcessKey, signal: AbortSignal): Promise<RawProcessEnd> {
    let read = 0n;
    for await (const event of this.agent.output(key, { stdout: 0n, stderr: 0n }, { signal })) {
      if (event.kind === 'exit') return { code: event.exit.status, stdoutBytes: read };
      if (event.kind !== 'stdout') continue;
      read = event.offset + BigInt(event.data.length);
      this.agent.ack(key, { stdout: read, stderr: 0n });
    }
    throw new Error('the output ended without an exit');
  }

  [Symbol.dispose](): void {
    this.agent.close();
  }
}
