import { beforeEach, describe, expect, it } from 'vitest';

import { GuestAgentConnector } from '../../../../src/agents/connector.ts';
import { TokenStore } from '../../../../src/agents/link/token-store.ts';
import type { AgentEvent, GuestAgent, OciSpec, ProcessKey } from '../../../../src/core/ports/agent.ts';
import { CountedMetrics } from '../../../fakes/agent/counted-metrics.ts';
import { FakeKata } from '../../../fakes/agent/fake-kata.ts';
import type { FakeProcess } from '../../../fakes/agent/fake-process.ts';
import { MemoryDialer } from '../../../fakes/agent/memory-dialer.ts';
import type { MemoryStream } from '../../../fakes/agent/memory-stream.ts';
import { memoryPair } from '../../../fakes/agent/memory-stream.ts';
import { MemoryTokenFiles } from '../../../fakes/agent/memory-token-files.ts';
import { collect, containerSpec, execSetup, textOf } from '../../../fakes/agent/specs.ts';
import { ManualClock, settle } from '../../../fakes/manual-clock.ts';

const MIB = 1024 * 1024;
const INIT: ProcessKey = { containerId: 'c1', execId: undefined };
const START = { stdout: 0n, stderr: 0n };
const SANDBOX = { sandboxId: 's', hostname: 'h', dns: [], storages: [], devices: [], sharedPidNamespace: false };

let clock: ManualClock;
let guest: FakeKata;
let host: MemoryStream;
let dialer: MemoryDialer;
let connector: GuestAgentConnector;

beforeEach(() => {
  clock = new ManualClock();
  guest = new FakeKata();
  dialer = new MemoryDialer(() => {
    const pair = memoryPair();
    host = pair.host;
    guest.attach(pair.guest);
    return host;
  });
  const ids = { random: (bytes: number): Uint8Array => new Uint8Array(bytes) };
  connector = new GuestAgentConnector({ clock, metrics: new CountedMetrics(), ids, tokens: new TokenStore(new MemoryTokenFiles()), dialer });
});

async function connect(): Promise<GuestAgent> {
  return await connector.connect({ kind: 'kata', transport: 'hybrid-vsock', socketPath: '/v', tokenFile: '' }, { deadlineMs: 30_000 });
}

async function created(spec: OciSpec): Promise<GuestAgent> {
  const agent = await connect();
  await agent.createContainer({ containerId: 'c1', spec, storages: [], devices: [], sharedPidNamespace: false });
  return agent;
}

async function started(args: readonly string[], terminal = false): Promise<{ agent: GuestAgent; process: FakeProcess }> {
  const agent = await created(containerSpec(args, { terminal }));
  await agent.startContainer('c1');
  return { agent, process: guest.containers.process('c1') };
}

function changed(change: (spec: Record<string, Record<string, unknown>>) => void): OciSpec {
  const spec = structuredClone(containerSpec(['true'])) as Record<string, Record<string, unknown>>;
  change(spec);
  return spec;
}

describe('official kata agent: the ten dangers', () => {
  it('1: never sends CreateSandbox twice', async () => {
    const agent = await connect();
    await agent.createSandbox(SANDBOX);
    await expect(agent.createSandbox(SANDBOX)).rejects.toMatchObject({ reason: 'WRONG_STATE' });
    expect(guest.shareWiped).toBe(false);
  });

  it('1: not even after the first one failed', async () => {
    const agent = await connect();
    guest.mute.add('CreateSandbox');
    const first = agent.createSandbox(SANDBOX).catch((error: unknown) => error);
    await clock.advance(60_000);
    expect(await first).toMatchObject({ reason: 'AGENT_UNREACHABLE' });
    await expect(agent.createSandbox(SANDBOX)).rejects.toMatchObject({ reason: 'WRONG_STATE' });
  });

  it('2: a start without an answer is the loss of the guest, and there is no second start', async () => {
    const agent = await created(containerSpec(['true']));
    guest.mute.add('StartContainer');
    const start = agent.startContainer('c1').catch((error: unknown) => error);
    await clock.advance(30_000);
    expect(await start).toMatchObject({ reason: 'AGENT_UNREACHABLE', details: { facts: { guest: 'lost' } } });
    await expect(agent.startContainer('c1')).rejects.toMatchObject({ reason: 'WRONG_STATE' });
    expect(guest.calls.filter((call) => call === 'StartContainer')).toHaveLength(1);
  });

  it('2: refuses a container without /proc, whose start would block', async () => {
    await expect(created(changed((spec) => { spec['mounts'] = [] as unknown as Record<string, unknown>; }))).rejects.toMatchObject({
      reason: 'INVALID_REQUEST', details: { fields: [{ field: 'mounts' }, { field: 'mounts' }] },
    });
    expect(guest.calls).not.toContain('CreateContainer');
  });

  it('3: never creates a container twice', async () => {
    const agent = await created(containerSpec(['true']));
    await expect(agent.createContainer({ containerId: 'c1', spec: containerSpec(['true']), storages: [], devices: [], sharedPidNamespace: false })).rejects.toMatchObject({ reason: 'WRONG_STATE' });
    expect(guest.containers.process('c1').args).toEqual(['true']);
  });

  it.each<[string, string, (spec: Record<string, Record<string, unknown>>) => void]>([
    ['a capability', 'process.capabilities', (s) => { s['process']!['capabilities'] = { bounding: ['CAP_NONSENSE'] }; }],
    ['a resource limit', 'process.rlimits[0]', (s) => { s['process']!['rlimits'] = [{ type: 'RLIMIT_NONSENSE', soft: 1, hard: 1 }]; }],
    ['a device type', 'linux.devices[0].type', (s) => { s['linux']!['devices'] = [{ path: '/dev/x', type: 'z', major: 1, minor: 1 }]; }],
    ['an environment entry', 'process.env[0]', (s) => { s['process']!['env'] = ['BAD']; }],
    ['a namespace', 'linux.namespaces[1]', (s) => { s['linux']!['namespaces'] = [{ type: 'mount' }, { type: 'nonsense' }]; }],
    ['no mount namespace', 'linux.namespaces', (s) => { s['linux']!['namespaces'] = [{ type: 'pid' }]; }],
    ['a relative root', 'root.path', (s) => { s['root'] = { path: 'rootfs' }; }],
    ['no command', 'process.args', (s) => { s['process']!['args'] = []; }],
    ['a pids limit, which it ignores', 'linux.resources.pids', (s) => { s['linux']!['resources'] = { pids: { limit: 5 } }; }],
  ])('4: refuses %s before sending', async (_, field, change) => {
    await expect(created(changed(change))).rejects.toMatchObject({ reason: 'INVALID_REQUEST', details: { fields: [{ field }] } });
    expect(guest.calls).not.toContain('CreateContainer');
  });

  it('4: refuses an exec that it would not answer, before sending', async () => {
    const { agent } = await started(['sleep', '1']);
    await expect(agent.exec({ ...execSetup('c1', 'e1', ['true']), env: ['BAD'], capabilities: ['CAP_NONSENSE'] })).rejects.toMatchObject({ reason: 'INVALID_REQUEST' });
    expect(guest.calls).not.toContain('ExecProcess');
  });

  it('5 and 8: reads at most 64 KiB, one read a stream, to the ends of both, then waits', async () => {
    const { agent, process } = await started(['sleep', '1']);
    process.write('stdout', Buffer.alloc(300_000, 'o')).write('stderr', Buffer.alloc(100_000, 'e')).finish(3);
    const events = await collect(agent.output(INIT, START));
    expect(textOf(events, 'stdout')).toHaveLength(300_000);
    expect(textOf(events, 'stderr')).toHaveLength(100_000);
    expect(events.at(-1)).toMatchObject({ kind: 'exit', exit: { status: 3 } });
    expect(guest.most).toEqual({ 'stdout c1/': 1, 'stderr c1/': 1 });
    expect(guest.calls.indexOf('WaitProcess')).toBe(guest.calls.length - 1);
  });

  it('6: refuses an exec in a paused container', async () => {
    const { agent } = await started(['sleep', '1']);
    await agent.pauseContainer('c1');
    await expect(agent.exec(execSetup('c1', 'e1', ['true']))).rejects.toMatchObject({ reason: 'WRONG_STATE' });
    await agent.resumeContainer('c1');
    await agent.exec(execSetup('c1', 'e1', ['true']));
  });

  it('7: refuses seccomp when the agent was built without it, and sends it when not', async () => {
    const spec = changed((s) => { s['linux']!['seccomp'] = { defaultAction: 'SCMP_ACT_ALLOW' }; });
    await expect(created(spec)).rejects.toMatchObject({ reason: 'INVALID_REQUEST', details: { fields: [{ field: 'linux.seccomp' }] } });
    guest.supportsSeccomp = true;
    await created(spec);
  });

  it('8: has one write to stdin under way, in pieces, and counts offsets', async () => {
    const { agent, process } = await started(['sleep', '1']);
    const writes = [agent.writeStdin(INIT, 0n, Buffer.alloc(150_000, 'a'), false), agent.writeStdin(INIT, 150_000n, Buffer.from('b'), false)];
    expect(await Promise.all(writes)).toEqual([150_000n, 150_001n]);
    expect(process.stdin.map((piece) => piece.length)).toEqual([65_536, 65_536, 18_928, 1]);
    expect(guest.most['stdin c1/']).toBe(1);
    expect(await agent.writeStdin(INIT, 150_000n, Buffer.from('bc'), true)).toBe(150_002n);
    expect(Buffer.concat(process.stdin).subarray(150_000).toString()).toBe('bc');
    expect(process.exit).toEqual({ status: 0, oomKilled: false });
    await expect(agent.writeStdin(INIT, 999_999n, Buffer.from('z'), false)).rejects.toMatchObject({ reason: 'OFFSET_OUT_OF_RANGE' });
  });

  it('8: an abort of the reader loses nothing: the next one goes on from its offset', async () => {
    const { agent, process } = await started(['sleep', '1']);
    const abort = new AbortController();
    const first = collect(agent.output(INIT, START, { signal: abort.signal })).catch((error: unknown) => (error as Error).message);
    await settle();
    abort.abort(new Error('left'));
    expect(await first).toBe('left');
    process.print('stdout', 'hello').finish(0);
    await settle();
    expect(textOf(await collect(agent.output(INIT, START)), 'stdout')).toBe('hello');
    expect(textOf(await collect(agent.output(INIT, { stdout: 2n, stderr: 0n })), 'stdout')).toBe('llo');
  });

  it('9: after a lost connection bytes that nobody counted are told as lost, and reading goes on', async () => {
    const { agent, process } = await started(['sleep', '1']);
    const first = collect(agent.output(INIT, START)).catch((error: unknown) => error);
    await settle();
    host.fail(new Error('cut'));
    expect(await first).toMatchObject({ reason: 'AGENT_UNREACHABLE' });
    process.print('stdout', 'gone');
    await settle();
    const again = await connect();
    process.print('stdout', 'later').finish(0);
    const events = await collect(again.output(INIT, START));
    expect(events.slice(0, 2)).toEqual([{ kind: 'lost', stream: 'stdout', from: 0n, to: 0n }, { kind: 'lost', stream: 'stderr', from: 0n, to: 0n }]);
    expect(textOf(events, 'stdout')).toBe('later');
  });

  it('10: connects again with growing pauses while nobody listens, and never while an attempt is open', async () => {
    guest.greeting = undefined;
    const agent = connect();
    await settle();
    await clock.advance(1000);
    expect(dialer.paths).toHaveLength(7);
    guest.greeting = 'OK 5\n';
    await clock.advance(500);
    await agent;
  });
});

describe('official kata agent', () => {
  it('says what it is', async () => {
    expect(await (await connect()).info()).toMatchObject({ agentVersion: '4.1.0', cpus: 0 });
  });

  it('cuts backtraces off its words', async () => {
    const agent = await connect();
    await expect(agent.startContainer('cx')).rejects.toMatchObject({ reason: 'AGENT_REFUSED', message: 'the guest agent refused StartContainer: no process  in cx' });
  });

  it('holds at most the window while nobody acknowledges', async () => {
    const { agent, process } = await started(['sleep', '1']);
    process.write('stdout', Buffer.alloc(3 * MIB));
    const output = agent.output(INIT, START)[Symbol.asyncIterator]();
    await output.next();
    await settle();
    expect(process.acked('stdout')).toBe(MIB);
    agent.ack(INIT, { stdout: BigInt(MIB), stderr: 0n });
    await settle();
    expect(process.acked('stdout')).toBe(2 * MIB);
  });

  it('reads one stream of a terminal, takes its error for the end, and ends its input with a character', async () => {
    const { agent, process } = await started(['cat'], true);
    await agent.writeStdin(INIT, 0n, Buffer.from('x'), true);
    expect(process.stdin.map(String)).toEqual(['x', '\u0004']);
    process.finish(0);
    expect(textOf(await collect(agent.output(INIT, START)), 'stdout')).toBe('x\u0004');
    expect(guest.calls).not.toContain('ReadStderr');
  });

  it('tells of an oom kill in the exit', async () => {
    const { agent, process } = await started(['sleep', '1']);
    const events: AgentEvent[] = [];
    agent.onEvent((event) => events.push(event));
    guest.oom('c1');
    await settle();
    process.finish(137);
    expect((await collect(agent.output(INIT, START))).at(-1)).toMatchObject({ exit: { status: 137, oomKilled: true } });
    expect(events).toEqual([{ kind: 'oom', containerId: 'c1' }]);
  });

  it('can not list processes', async () => {
    await expect((await connect()).processes()).rejects.toMatchObject({ reason: 'UNSUPPORTED' });
  });

  it('drops the guest\'s namespaces and the paths of the others', async () => {
    await created(changed((spec) => { spec['linux']!['namespaces'] = [{ type: 'mount' }, { type: 'network' }, { type: 'cgroup' }, { type: 'ipc', path: '/proc/1/ns/ipc' }]; }));
    expect(guest.containers.process('c1').args).toEqual(['true']);
  });
});
