import { deadline } from '../base/abort.ts';
import { DomainError } from '../core/model/errors.ts';
import type { AgentConnector, AgentTarget, GuestAgent } from '../core/ports/agent.ts';
import type { ByteStream, Clock, IdSource, SocketDialer } from '../core/ports/host.ts';
import type { Metrics } from '../core/ports/telemetry.ts';
import type { Wait } from './channel/dial-in-time.ts';
import { dialInTime } from './channel/dial-in-time.ts';
import { connectHybridVsock } from './channel/hybrid-vsock.ts';
import { KataAgent } from './kata/kata-agent.ts';
import { establishLink } from './link/establish.ts';
import type { TokenStore } from './link/token-store.ts';
import { NoAgent } from './none/no-agent.ts';
import { TtrpcClient } from './ttrpc/client.ts';
import type { TtrpcAgent } from './ttrpc-agent.ts';
import { VivAgent } from './viv/viv-agent.ts';

/** Where both agents listen, by the kata protocol's convention. */
const AGENT_VSOCK_PORT = 1024;
/** A first Check that gets no answer for so long is not waited for any longer: the link begins anew, which an agent that was only slow takes without harm. */
const FIRST_CHECK_MS = 5_000;

export interface ConnectorDeps {
  readonly dialer: SocketDialer;
  readonly clock: Clock;
  readonly ids: Pick<IdSource, 'random'>;
  readonly tokens: TokenStore;
  readonly metrics: Pick<Metrics, 'agentRpc' | 'dropped'>;
}

/** Makes a GuestAgent out of an address: dials the channel, agrees on a link where the channel needs one, and waits for the first Check. */
export class GuestAgentConnector implements AgentConnector {
  readonly #deps: ConnectorDeps;

  constructor(deps: ConnectorDeps) {
    this.#deps = deps;
  }

  async connect(target: AgentTarget, options: { deadlineMs: number; signal?: AbortSignal | undefined }): Promise<GuestAgent> {
    if (target.kind === 'none') return new NoAgent();
    const { clock } = this.#deps;
    const endMs = clock.monotonicMs() + options.deadlineMs;
    const left = (): Wait => ({ timeoutMs: Math.max(1, endMs - clock.monotonicMs()), signal: options.signal });
    for (;;) {
      const client = new TtrpcClient(await this.#open(target, left()), this.#deps);
      const whole = left();
      const last = whole.timeoutMs <= FIRST_CHECK_MS || target.transport !== 'virtio-serial';
      try {
        const agent = target.kind === 'kata' ? new KataAgent(client, this.#deps) : new VivAgent(client, this.#deps);
        await this.#firstCheck(agent, last ? whole : { ...whole, timeoutMs: FIRST_CHECK_MS });
        void agent.watch();
        return agent;
      } catch (error) {
        client.close();
        if (last || !(error instanceof DomainError) || error.reason !== 'BOOT_TIMEOUT') throw error;
        this.#deps.metrics.dropped('unanswered-first-check');
      }
    }
  }

  async #open(target: AgentTarget, wait: Wait): Promise<ByteStream> {
    const { dialer, clock } = this.#deps;
    switch (target.transport) {
      case 'virtio-serial':
        return await this.#openPort(target, wait);
      case 'hybrid-vsock':
        return await connectHybridVsock({ socketPath: target.socketPath, port: AGENT_VSOCK_PORT }, { dialer, clock }, wait);
      case 'vsock':
        throw unsupported('vsock', 'Node has no AF_VSOCK sockets', 'use transport virtio-serial or hybrid-vsock');
      case 'none':
        throw unsupported('none', `a guest with ${target.kind} needs a channel to it`, 'choose a transport, or agent none');
    }
  }

  /** A port needs the link whatever agent is behind it; an official one is reached through a bridge in the guest that speaks it. */
  async #openPort(target: AgentTarget, wait: Wait): Promise<ByteStream> {
    const startedMs = this.#deps.clock.monotonicMs();
    const raw = await dialInTime(this.#deps.dialer, target.socketPath, wait);
    const timeoutMs = Math.max(1, wait.timeoutMs - (this.#deps.clock.monotonicMs() - startedMs));
    const link = await establishLink(raw, this.#deps, { tokenFile: target.tokenFile, timeoutMs, signal: wait.signal });
    return link.stream;
  }

  async #firstCheck(agent: TtrpcAgent, wait: Wait): Promise<void> {
    const { clock } = this.#deps;
    using limit = deadline({
      ms: wait.timeoutMs,
      timer: (ms, callback) => clock.timer(ms, callback),
      reason: () => new DomainError('BOOT_TIMEOUT', 'the guest agent took the connection but did not answer Check in time', {
        remedy: 'look at the sandbox console',
      }),
      signals: [wait.signal],
    });
    await agent.check({ signal: limit.signal });
  }
}

function unsupported(transport: string, why: string, remedy: string): DomainError {
  return new DomainError('UNSUPPORTED', `the guest can't be reached by transport ${transport}: ${why}`, { remedy });
}
