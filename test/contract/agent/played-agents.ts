import { GuestAgentConnector } from '../../../src/agents/connector.ts';
import { TokenStore } from '../../../src/agents/link/token-store.ts';
import { SystemIdSource } from '../../../src/host/id-source.ts';
import { SystemClock } from '../../../src/host/system-clock.ts';
import type { ByteStream } from '../../../src/core/ports/host.ts';
import { CountedMetrics } from '../../fakes/agent/counted-metrics.ts';
import { FakeGuest } from '../../fakes/agent/fake-guest.ts';
import { FakeKata } from '../../fakes/agent/fake-kata.ts';
import { MemoryDialer } from '../../fakes/agent/memory-dialer.ts';
import { memoryPair } from '../../fakes/agent/memory-stream.ts';
import { MemoryTokenFiles } from '../../fakes/agent/memory-token-files.ts';
import { containerSpec } from '../../fakes/agent/specs.ts';
import type { AgentKind, AgentUnderTest } from './agent-under-test.ts';
import { CuttingDialer } from './connector-under-test.ts';

/** The agents that the unit tests play, in memory: so that the plays are held to the contract too. */
export const PLAYED: readonly AgentKind[] = [
  { name: 'viv-agent, played', kind: 'viv-agent', start: async () => played('viv-agent', new FakeGuest()) },
  { name: 'official, played', kind: 'kata', start: async () => played('kata', new FakeKata()) },
];

function played(kind: 'viv-agent' | 'kata', guest: { attach(stream: ByteStream): void }): AgentUnderTest {
  const dialer = new CuttingDialer(new MemoryDialer(() => {
    const pair = memoryPair();
    guest.attach(pair.guest);
    return pair.host;
  }));
  const tokens = new TokenStore(new MemoryTokenFiles());
  const connector = new GuestAgentConnector({
    dialer, clock: new SystemClock(), ids: new SystemIdSource(), metrics: new CountedMetrics(), tokens,
  });
  const transport = kind === 'kata' ? 'hybrid-vsock' : 'virtio-serial';
  return {
    connect: () => connector.connect({ kind, transport, socketPath: '/p', tokenFile: '/t' }, { deadlineMs: 2000 }),
    cut: () => { dialer.cut(); },
    write: (bytes) => { dialer.write(bytes); },
    link: { tokens, tokenFile: '/t', dial: () => dialer.dial('/p', { deadlineMs: 1000 }) },
    sandbox: { sandboxId: 'sandbox', hostname: 'sandbox', dns: [], storages: [], sharedPidNamespace: false },
    spec: (args) => containerSpec(args),
    spew: (bytes) => ['head', '-c', String(bytes), '/dev/zero'],
    [Symbol.asyncDispose]: async () => { dialer.cut(); },
  };
}
