import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { ackMark, BOOT_TOKEN, go, hello } from '../../src/agents/link/blocks.ts';
import type { GuestAgent, OutputEvent, ProcessKey } from '../../src/core/ports/agent.ts';
import { collect, execSetup, textOf } from '../fakes/agent/specs.ts';
import { skippable } from '../skip.ts';
import type { AgentUnderTest } from './agent/agent-under-test.ts';
import { FAKE_VMM } from './agent/fake-vmm.ts';
import { PLAYED } from './agent/played-agents.ts';
import { realVms } from './agent/real-vm.ts';

const START = { stdout: 0n, stderr: 0n };

describe.each([...PLAYED, ...FAKE_VMM, ...realVms()])('GuestAgent: $name', ({ name, kind, start }) => {
  const ours = skippable('viv-agent', kind !== 'viv-agent');
  let guest: AgentUnderTest;
  let agent: GuestAgent;
  let containers = 0;

  beforeAll(async () => {
    guest = await start();
    agent = await guest.connect();
    await agent.createSandbox(guest.sandbox);
  });
  afterAll(async () => { await guest[Symbol.asyncDispose](); });

  let containerId = '';
  let init: ProcessKey;
  beforeEach(() => {
    containers += 1;
    containerId = `contract-${containers}`;
    init = { containerId, execId: undefined };
  });
  const made = new Set<string>();
  afterEach(async () => {
    for (const id of made) {
      await agent.signal({ containerId: id, execId: undefined }, 9, true).catch(() => undefined);
      await agent.removeContainer(id);
    }
    made.clear();
  });

  async function create(args: readonly string[]): Promise<void> {
    await agent.createContainer({ containerId, spec: guest.spec(args), storages: [], devices: [], sharedPidNamespace: false });
    made.add(containerId);
  }

  async function run(args: readonly string[]): Promise<void> {
    await create(args);
    await agent.startContainer(containerId);
  }

  it('answers Check and says its version', async () => {
    await agent.check();
    expect((await agent.info()).agentVersion).not.toBe('');
  });

  it('says what it can do beyond the kata protocol', async () => {
    // The played one has no devices to tell of, and the fake VMM no PCI bus.
    const ours = name.endsWith('played') ? ['names'] : ['devices', 'names', 'nodes', ...(name.endsWith('in a VM') ? ['pci'] : []), 'rules'];
    expect([...await agent.features()].sort()).toEqual(kind === 'kata' ? [] : ours);
  });

  it('runs a container whose output comes on its own streams, then its exit, then the end', async () => {
    await run(['sh', '-c', 'echo out; echo err >&2; exit 7']);
    const events = await collect(agent.output(init, START));
    expect(textOf(events, 'stdout')).toBe('out\n');
    expect(textOf(events, 'stderr')).toBe('err\n');
    expect(events.at(-1)).toMatchObject({ kind: 'exit', exit: { status: 7, oomKilled: false } });
  });

  it('gives the output of a process that has ended before anybody listened', async () => {
    await run(['sleep', '1000']);
    await agent.exec(execSetup(containerId, 'early', ['echo', 'early']));
    const key = { containerId, execId: 'early' };
    expect(textOf(await collect(agent.output(key, START)), 'stdout')).toBe('early\n');
  });

  it('passes stdin on by offset, and its end', async () => {
    await run(['cat']);
    expect(await agent.writeStdin(init, 0n, Buffer.from('one '), false)).toBe(4n);
    expect(await agent.writeStdin(init, 2n, Buffer.from('e two'), true)).toBe(7n);
    const events = await collect(agent.output(init, START));
    expect(textOf(events, 'stdout')).toBe('one two');
    expect(events.at(-1)).toMatchObject({ exit: { status: 0 } });
  });

  it('refuses stdin beyond what it has', async () => {
    await run(['cat']);
    await agent.writeStdin(init, 0n, Buffer.from('x'), false);
    await expect(agent.writeStdin(init, 5n, Buffer.from('y'), false)).rejects.toMatchObject({ reason: 'OFFSET_OUT_OF_RANGE' });
  });

  it('runs further processes, each with its own exit', async () => {
    await run(['sleep', '1000']);
    await agent.exec(execSetup(containerId, 'yes', ['true']));
    await agent.exec(execSetup(containerId, 'no', ['false']));
    expect((await collect(agent.output({ containerId, execId: 'yes' }, START))).at(-1)).toMatchObject({ exit: { status: 0 } });
    expect((await collect(agent.output({ containerId, execId: 'no' }, START))).at(-1)).toMatchObject({ exit: { status: 1 } });
  });

  it('gives megabytes without a gap to a reader that acknowledges', async () => {
    const bytes = 8 * 1024 * 1024;
    await run(['sleep', '1000']);
    await agent.exec(execSetup(containerId, 'spew', guest.spew(bytes)));
    const key = { containerId, execId: 'spew' };
    let reached = 0n;
    let last: OutputEvent | undefined;
    for await (const event of agent.output(key, START)) {
      last = event;
      if (event.kind !== 'stdout') continue;
      expect(event.offset).toBe(reached);
      reached += BigInt(event.data.length);
      agent.ack(key, { stdout: reached, stderr: 0n });
    }
    expect(reached).toBe(BigInt(bytes));
    expect(last).toMatchObject({ kind: 'exit', exit: { status: 0 } });
  });

  it('goes on from an offset that was not acknowledged', async () => {
    await run(['sh', '-c', 'echo hello']);
    for await (const event of agent.output(init, START)) {
      if (event.kind === 'exit') break;
    }
    expect(textOf(await collect(agent.output(init, { stdout: 2n, stderr: 0n })), 'stdout')).toBe('llo\n');
  });

  it('kills everything in a container, and tells by which signal', async () => {
    await run(['sleep', '1000']);
    await agent.signal(init, 9, true);
    expect((await collect(agent.output(init, START))).at(-1)).toMatchObject({ exit: { status: 137 } });
  });

  it('ends the wait for output with the reason of the signal, and the process goes on', async () => {
    await run(['cat']);
    const abort = new AbortController();
    const output = collect(agent.output(init, START, { signal: abort.signal }));
    abort.abort(new Error('left'));
    await expect(output).rejects.toThrow('left');
    await agent.writeStdin(init, 0n, Buffer.from('still here'), true);
    expect(textOf(await collect(agent.output(init, START)), 'stdout')).toBe('still here');
  });

  it('pauses and resumes a container', async () => {
    await run(['sleep', '1000']);
    await agent.pauseContainer(containerId);
    await agent.resumeContainer(containerId);
    await agent.exec(execSetup(containerId, 'after', ['true']));
    expect((await collect(agent.output({ containerId, execId: 'after' }, START))).at(-1)).toMatchObject({ exit: { status: 0 } });
  });

  it('measures a container and the guest', async () => {
    await run(['sleep', '1000']);
    expect((await agent.usage(containerId)).pids).toBeGreaterThanOrEqual(0n);
    expect(typeof await agent.metrics()).toBe('string');
  });

  it('refuses calls about a container that is not there', async () => {
    await expect(agent.startContainer('absent')).rejects.toMatchObject({ reason: 'AGENT_REFUSED' });
    await expect(agent.usage('absent')).rejects.toMatchObject({ reason: 'AGENT_REFUSED' });
    await expect(collect(agent.output({ containerId: 'absent', execId: undefined }, START))).rejects.toMatchObject({ reason: 'AGENT_REFUSED' });
  });

  ours.it('loses nothing when the link is cut while output flows, and knows its processes', async () => {
    const bytes = 4 * 1024 * 1024;
    await run(['sleep', '1000']);
    await agent.exec(execSetup(containerId, 'spew', guest.spew(bytes)));
    const key = { containerId, execId: 'spew' };
    let reached = 0n;
    const follow = async (limit: bigint): Promise<OutputEvent | undefined> => {
      let last: OutputEvent | undefined;
      for await (const event of agent.output(key, { stdout: reached, stderr: 0n })) {
        last = event;
        if (event.kind !== 'stdout') continue;
        expect(event.offset).toBe(reached);
        reached += BigInt(event.data.length);
        agent.ack(key, { stdout: reached, stderr: 0n });
        if (reached >= limit) guest.cut();
      }
      return last;
    };
    for (const limit of [1n, 1_000_000n, 3_000_000n]) {
      await expect(follow(limit)).rejects.toMatchObject({ reason: 'AGENT_UNREACHABLE' });
      agent = await guest.connect();
    }
    expect(await follow(BigInt(bytes) + 1n)).toMatchObject({ kind: 'exit', exit: { status: 0 } });
    expect(reached).toBe(BigInt(bytes));
    const processes = await agent.processes();
    expect(processes.filter((p) => p.key.containerId === containerId).map((p) => p.key.execId).sort()).toEqual(['spew', undefined]);
  });

  skippable('kata', kind !== 'kata').it('says that it can not list its processes', async () => {
    await expect(agent.processes()).rejects.toMatchObject({ reason: 'UNSUPPORTED' });
  });

  it('connects again after the link was cut, and the guest is as it was', async () => {
    await run(['sleep', '1000']);
    guest.cut();
    await expect(agent.check()).rejects.toMatchObject({ reason: 'AGENT_UNREACHABLE' });
    agent = await guest.connect();
    await agent.exec(execSetup(containerId, 'again', ['echo', 'again']));
    const events = await collect(agent.output({ containerId, execId: 'again' }, START));
    expect(textOf(events, 'stdout')).toBe('again\n');
  });

  it('comes back after a host that died in the middle of a 4 MiB frame', async () => {
    const header = Buffer.from([0, 0x40, 0, 0, 0, 0, 0x10, 1, 1, 0]);
    for (const sent of [0, 1, 70_000, 3_000_000]) {
      guest.write(Buffer.concat([header, Buffer.alloc(sent, 7)]));
      guest.cut();
      agent = await guest.connect();
      await agent.check();
    }
  });

  ours.it('is not misled by a container that replays the link\'s tokens on its output', async () => {
    const old = await guest.link.tokens.load(guest.link.tokenFile);
    guest.cut();
    agent = await guest.connect();
    const fresh = Buffer.alloc(16, 0x77);
    const replay = Buffer.concat([BOOT_TOKEN, ...old].flatMap((token) => [hello(token, fresh), ackMark(token), fresh, go(token)]));
    await run(['cat']);
    await agent.writeStdin(init, 0n, replay, false);
    const output = agent.output(init, START)[Symbol.asyncIterator]();
    await output.next();
    guest.cut();
    agent = await guest.connect();
    await agent.writeStdin(init, BigInt(replay.length), new Uint8Array(0), true);
    const events = await collect(agent.output(init, START));
    expect(Buffer.compare(Buffer.concat(events.flatMap((event) => (event.kind === 'stdout' ? [event.data] : []))), replay)).toBe(0);
  });

  ours.it.each([
    ['before its greeting was heard', false],
    ['after its greeting was heard', true],
  ])('comes back after a host that died half-way, %s', async (_, heard) => {
    guest.cut();
    const { link } = guest;
    const [current] = await link.tokens.load(link.tokenFile);
    const next = Buffer.alloc(16, heard ? 0x31 : 0x32);
    await link.tokens.save(link.tokenFile, [current!, next]);
    const stream = await link.dial();
    const answered = new Promise<void>((resolve) => { stream.onData(() => { resolve(); }); });
    if (heard) {
      stream.write([hello(current!, next)]);
      await answered;
    }
    stream.close();
    agent = await guest.connect();
    await agent.check();
    expect(await link.tokens.load(link.tokenFile)).toHaveLength(1);
  });
});
