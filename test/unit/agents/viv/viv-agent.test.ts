import { beforeEach, describe, expect, it } from 'vitest';

import { GuestAgentConnector } from '../../../../src/agents/connector.ts';
import { TokenStore } from '../../../../src/agents/link/token-store.ts';
import type { AgentEvent, GuestAgent, OutputEvent, ProcessKey, ProcessSetup } from '../../../../src/core/ports/agent.ts';
import { CountedMetrics } from '../../../fakes/agent/counted-metrics.ts';
import { FakeGuest } from '../../../fakes/agent/fake-guest.ts';
import type { FakeProcess } from '../../../fakes/agent/fake-process.ts';
import { MemoryDialer } from '../../../fakes/agent/memory-dialer.ts';
import type { MemoryStream } from '../../../fakes/agent/memory-stream.ts';
import { memoryPair } from '../../../fakes/agent/memory-stream.ts';
import { MemoryTokenFiles } from '../../../fakes/agent/memory-token-files.ts';
import { ManualClock, settle } from '../../../fakes/manual-clock.ts';

const MIB = 1024 * 1024;
const INIT: ProcessKey = { containerId: 'c1', execId: undefined };
const START = { stdout: 0n, stderr: 0n };

let clock: ManualClock;
let metrics: CountedMetrics;
let guest: FakeGuest;
let host: MemoryStream;
let connector: GuestAgentConnector;

beforeEach(() => {
  clock = new ManualClock();
  metrics = new CountedMetrics();
  guest = new FakeGuest();
  let draws = 0;
  connector = new GuestAgentConnector({
    clock,
    metrics,
    ids: { random: (bytes) => Buffer.alloc(bytes, 0x40 + (draws += 1)) },
    tokens: new TokenStore(new MemoryTokenFiles()),
    dialer: new MemoryDialer(() => {
      const pair = memoryPair();
      host = pair.host;
      guest.attach(pair.guest);
      return host;
    }),
  });
});

async function connect(): Promise<GuestAgent> {
  return await connector.connect({ kind: 'viv-agent', transport: 'virtio-serial', socketPath: '/s', tokenFile: '/t' }, { deadlineMs: 1000 });
}

async function started(args: readonly string[]): Promise<{ agent: GuestAgent; process: FakeProcess }> {
  const agent = await connect();
  await agent.createContainer({ containerId: 'c1', spec: { process: { args, cwd: '/' } }, storages: [], devices: [], sharedPidNamespace: false });
  await agent.startContainer('c1');
  return { agent, process: guest.process('c1') };
}

async function collect(output: AsyncIterable<OutputEvent>): Promise<OutputEvent[]> {
  const events: OutputEvent[] = [];
  for await (const event of output) events.push(event);
  return events;
}

function text(events: readonly OutputEvent[], kind: 'stdout' | 'stderr'): string {
  return events.map((event) => (event.kind === kind && 'data' in event ? Buffer.from(event.data).toString() : '')).join('');
}

const TRUE: ProcessSetup = {
  containerId: 'c1', execId: 'e1', args: ['true'], env: [], cwd: '/', terminal: false, uid: 0, gid: 0, additionalGids: [], capabilities: [], noNewPrivileges: false, rlimits: [],
};

describe('viv-agent client', () => {
  it('connects, checks and asks for events', async () => {
    const agent = await connect();
    expect(guest.calls).toEqual(['Check', 'Events']);
    expect(await agent.info()).toEqual({ agentVersion: 'fake', kernelRelease: '6.1', bootId: 'b', memoryBytes: 1 << 28, cpus: 1 });
  });

  it('gives output, then the exit, then ends', async () => {
    const { agent } = await started(['sh', '-c', 'echo out; echo err >&2; exit 7']);
    const events = await collect(agent.output(INIT, START));
    expect(text(events, 'stdout')).toBe('out\n');
    expect(text(events, 'stderr')).toBe('err\n');
    expect(events.at(-1)).toEqual({ kind: 'exit', exit: { status: 7, atMs: 1_700_000_000_000, oomKilled: false } });
  });

  it('goes on from an offset', async () => {
    const { agent } = await started(['echo', 'hello']);
    const events = await collect(agent.output(INIT, { stdout: 3n, stderr: 0n }));
    expect(events[0]).toMatchObject({ kind: 'stdout', offset: 3n });
    expect(text(events, 'stdout')).toBe('lo\n');
  });

  it('tells an offset that is not kept as OFFSET_OUT_OF_RANGE', async () => {
    const { agent } = await started(['echo', 'hello']);
    await expect(collect(agent.output(INIT, { stdout: 99n, stderr: 0n }))).rejects.toMatchObject({ reason: 'OFFSET_OUT_OF_RANGE' });
  });

  it('gets no more than the window beyond what it acknowledged, and acknowledges in batches', async () => {
    const { agent, process } = await started(['sleep', '1000']);
    process.write('stdout', Buffer.alloc(4 * MIB));
    const output = agent.output(INIT, START)[Symbol.asyncIterator]();
    let got = 0n;
    while (got < BigInt(MIB)) {
      const { value } = await output.next() as { value: OutputEvent & { data: Uint8Array } };
      got += BigInt(value.data.length);
    }
    const more = output.next();
    await settle();
    expect(process.acked('stdout')).toBe(0);
    agent.ack(INIT, { stdout: got, stderr: 0n });
    await more;
    expect(process.acked('stdout')).toBe(MIB);
    expect(guest.acks).toBe(1);
    await output.return?.();
  });

  it('acknowledges a little after a moment of silence, in one call', async () => {
    const { agent, process } = await started(['echo', 'hello']);
    for await (const event of agent.output(INIT, START)) {
      if (event.kind !== 'stdout') continue;
      agent.ack(INIT, { stdout: 2n, stderr: 0n });
      agent.ack(INIT, { stdout: 4n, stderr: 0n });
      await settle();
      expect(process.acked('stdout')).toBe(0);
      await clock.advance(20);
      expect(process.acked('stdout')).toBe(4);
      agent.ack(INIT, { stdout: 6n, stderr: 0n });
    }
    await settle();
    expect(process.acked('stdout')).toBe(6);
    expect(guest.acks).toBe(2);
    expect(clock.pending).toBe(0);
  });

  it('stops when its reader leaves, and a second reader goes on', async () => {
    const { agent, process } = await started(['sleep', '1000']);
    process.print('stdout', 'abc');
    for await (const event of agent.output(INIT, START)) {
      expect(event).toMatchObject({ kind: 'stdout', offset: 0n });
      break;
    }
    process.print('stdout', 'def').finish(0);
    expect(text(await collect(agent.output(INIT, { stdout: 3n, stderr: 0n })), 'stdout')).toBe('def');
  });

  it('ends the connection when the agent lies about offsets', async () => {
    const { agent, process } = await started(['sleep', '1000']);
    process.read = () => Buffer.alloc(3);
    process.print('stdout', 'abc');
    const output = collect(agent.output(INIT, START));
    await settle();
    process.read = () => Buffer.alloc(0);
    process.print('stdout', 'x'.repeat(70_000));
    process.print('stdout', 'x');
    await expect(output).rejects.toMatchObject({ reason: 'AGENT_PROTOCOL' });
  });

  it('sends large stdin in pieces, all under way at once, and drops what is repeated', async () => {
    const { agent, process } = await started(['sleep', '1000']);
    const data = Buffer.alloc(700_000, 'x');
    expect(await agent.writeStdin(INIT, 0n, data, false)).toBe(700_000n);
    expect(process.stdin.map((piece) => piece.length)).toEqual([262_144, 262_144, 175_712]);
    expect(await agent.writeStdin(INIT, 699_999n, Buffer.from('xy'), true)).toBe(700_001n);
    expect(process.exit).toEqual({ status: 0, oomKilled: false });
    await expect(agent.writeStdin(INIT, 800_000n, Buffer.from('z'), false)).rejects.toMatchObject({ reason: 'OFFSET_OUT_OF_RANGE' });
  });

  it('sends an end of input without data', async () => {
    const { agent, process } = await started(['cat']);
    expect(await agent.writeStdin(INIT, 0n, new Uint8Array(0), true)).toBe(0n);
    expect(process.exit?.status).toBe(0);
  });

  it('runs a process, signals one and all, resizes, measures', async () => {
    const { agent, process } = await started(['sleep', '1000']);
    await agent.exec(TRUE);
    expect((await collect(agent.output({ containerId: 'c1', execId: 'e1' }, START))).at(-1)).toMatchObject({ exit: { status: 0 } });
    await agent.resizeTty(INIT, 24, 80);
    expect(process.size).toEqual({ rows: 24, columns: 80 });
    expect(await agent.usage('c1')).toMatchObject({ memoryBytes: 4096n, pids: 1n, cpuTotalNs: 0n });
    await expect(agent.signal(INIT, 15, true)).rejects.toMatchObject({ reason: 'UNSUPPORTED' });
    await agent.signal(INIT, 9, true);
    expect(process.exit?.status).toBe(137);
    expect(await agent.processes()).toMatchObject([{ key: { containerId: 'c1', execId: undefined }, exit: { status: 137 } }, { key: { execId: 'e1' } }]);
  });

  it('tells the pid of a container\'s first process', async () => {
    const agent = await connect();
    await settle();
    const events: AgentEvent[] = [];
    agent.onEvent((event) => events.push(event));
    guest.created('c1', 87);
    await settle();
    expect(events).toEqual([{ kind: 'created', containerId: 'c1', pid: 87 }]);
  });

  it('tells of oom, and of a lost link, after which every call fails', async () => {
    const agent = await connect();
    await settle();
    guest.oom('c1');
    await settle();
    const events: AgentEvent[] = [];
    agent.onEvent((event) => events.push(event));
    host.fail(new Error('gone'));
    expect(events).toMatchObject([{ kind: 'oom', containerId: 'c1' }, { kind: 'lost', error: { reason: 'AGENT_UNREACHABLE' } }]);
    await expect(agent.check()).rejects.toMatchObject({ reason: 'AGENT_UNREACHABLE' });
  });

  it('does not tell of a loss that is its own doing', async () => {
    const agent = await connect();
    const events: AgentEvent[] = [];
    agent.onEvent((event) => events.push(event));
    agent.close();
    await settle();
    expect(events).toEqual([]);
    expect(clock.pending).toBe(0);
  });

  it('takes the end of the channel as the answer to destroySandbox', async () => {
    const agent = await connect();
    await agent.destroySandbox();
    await expect(agent.check()).rejects.toMatchObject({ reason: 'AGENT_UNREACHABLE' });
  });

  it('connects anew to the same guest and loses nothing', async () => {
    const { agent, process } = await started(['sleep', '1000']);
    process.print('stdout', 'before ');
    const events: OutputEvent[] = [];
    const first = (async () => { for await (const event of agent.output(INIT, START)) events.push(event); })();
    await settle();
    host.fail(new Error('cut'));
    await expect(first).rejects.toMatchObject({ reason: 'AGENT_UNREACHABLE' });
    process.print('stdout', 'after').finish(0);
    const again = await connect();
    const rest = await collect(again.output(INIT, { stdout: 7n, stderr: 0n }));
    expect(text([...events, ...rest], 'stdout')).toBe('before after');
  });

  it('gives up at the deadline when the agent took the link and answers nothing', async () => {
    guest.mute.add('Check');
    const agent = connect().catch((error: unknown) => error);
    await settle();
    await clock.advance(1000);
    expect(await agent).toMatchObject({ reason: 'BOOT_TIMEOUT' });
    expect(host.closed).toBe(true);
  });
});

describe('connector', () => {
  it('begins the link anew when the first Check is not answered, as a port may lose what is sent while it is opened', async () => {
    guest.mute.add('Check');
    const connecting = connector.connect({ kind: 'viv-agent', transport: 'virtio-serial', socketPath: '/s', tokenFile: '/t' }, { deadlineMs: 60_000 });
    await settle();
    guest.mute.delete('Check');
    await clock.advance(5_000);
    const agent = await connecting;
    await agent.check();
    agent.close();
  });

  it.each([
    ['vsock', 'viv-agent'],
    ['none', 'viv-agent'],
    ['vsock', 'kata'],
  ] as const)('refuses transport %s for %s', async (transport, kind) => {
    await expect(connector.connect({ kind, transport, socketPath: '', tokenFile: '' }, { deadlineMs: 10 })).rejects.toMatchObject({ reason: 'UNSUPPORTED' });
  });

  it('gives an agent that refuses container calls when the guest has none', async () => {
    const agent = await connector.connect({ kind: 'none', transport: 'none', socketPath: '', tokenFile: '' }, { deadlineMs: 10 });
    await agent.check();
    await agent.createSandbox({ sandboxId: 's', hostname: '', dns: [], storages: [], sharedPidNamespace: false });
    await expect(agent.startContainer('c1')).rejects.toMatchObject({ reason: 'UNSUPPORTED' });
    expect(() => agent.output(INIT, START)).toThrow(expect.objectContaining({ reason: 'UNSUPPORTED' }));
  });
});
