import { afterEach, describe, expect, it } from 'vitest';

import type { Clock, WaitOptions } from '../../src/core/ports/host.ts';
import type { GuestAgent, OciSpec, ProcessKey } from '../../src/core/ports/agent.ts';
import { SystemClock } from '../../src/host/system-clock.ts';
import { containerRuntimeSpec } from '../../src/storage/oci/container-spec.ts';
import type { FakeVmm } from '../contract/agent/fake-vmm.ts';
import { startFakeVmm } from '../contract/agent/fake-vmm.ts';
import { collect, containerSpec, execSetup, textOf } from '../fakes/agent/specs.ts';
import { containerSpec as wholeSpec } from '../fakes/records.ts';

const INIT: ProcessKey = { containerId: 'c1', execId: undefined };
const START = { stdout: 0n, stderr: 0n };
const SANDBOX = { sandboxId: 's', hostname: 'h', dns: [], storages: [], devices: [], sharedPidNamespace: false };

/** A clock on which half a minute is over in half a second: every deadline of the table can be waited for. */
class HurriedClock implements Clock {
  readonly #clock = new SystemClock();
  readonly #times = 60;

  wallMs(): number {
    return this.#clock.wallMs();
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs() * this.#times;
  }

  async sleep(ms: number, options?: WaitOptions): Promise<void> {
    await this.#clock.sleep(ms / this.#times, options);
  }

  timer(ms: number, callback: () => void): Disposable {
    return this.#clock.timer(ms / this.#times, callback);
  }
}

let vmm: FakeVmm | undefined;

afterEach(async () => {
  await vmm?.[Symbol.asyncDispose]();
  vmm = undefined;
});

async function start(kind: 'viv-agent' | 'kata', faults: string, clock?: Clock): Promise<FakeVmm> {
  vmm = await startFakeVmm(kind, faults, clock);
  return vmm;
}

async function kata(faults: string, clock?: Clock): Promise<GuestAgent> {
  return await (await start('kata', faults, clock)).connect(clock === undefined ? 5000 : 60_000);
}

async function create(agent: GuestAgent, args: readonly string[], id = 'c1'): Promise<void> {
  await agent.createContainer({ containerId: id, spec: containerSpec(args), storages: [], devices: [], sharedPidNamespace: false });
}

describe('the dangers of an official agent, one fault each', () => {
  it('1 second-sandbox-wipes: the second is never sent', async () => {
    const agent = await kata('second-sandbox-wipes');
    await agent.createSandbox(SANDBOX);
    await create(agent, ['sleep', '1000']);
    await agent.startContainer('c1');
    await expect(agent.createSandbox(SANDBOX)).rejects.toMatchObject({ reason: 'WRONG_STATE' });
    await agent.signal(INIT, 9, true);
  });

  it('2 start-hangs: the guest is told as lost at the deadline', async () => {
    const agent = await kata('start-hangs', new HurriedClock());
    await create(agent, ['true']);
    await expect(agent.startContainer('c1')).rejects.toMatchObject({ reason: 'AGENT_UNREACHABLE', details: { facts: { guest: 'lost' } } });
    await expect(agent.check()).rejects.toMatchObject({ reason: 'AGENT_UNREACHABLE' });
  });

  it('3 create-destroys-first: the second is never sent', async () => {
    const agent = await kata('create-destroys-first');
    await create(agent, ['sh', '-c', 'exit 3']);
    await expect(create(agent, ['true'])).rejects.toMatchObject({ reason: 'WRONG_STATE' });
    await agent.startContainer('c1');
    expect((await collect(agent.output(INIT, START))).at(-1)).toMatchObject({ exit: { status: 3 } });
  });

  it('4 mute-on-capability: an unknown one is never sent', async () => {
    const agent = await kata('mute-on-capability:CAP_NONSENSE');
    await create(agent, ['sleep', '1000']);
    await agent.startContainer('c1');
    await expect(agent.exec({ ...execSetup('c1', 'e1', ['true']), capabilities: ['CAP_NONSENSE'] })).rejects.toMatchObject({ reason: 'INVALID_REQUEST' });
    await agent.check();
  });

  it('5 read-aborts and 8 wait-discards: small reads, to the end, and only then a wait', async () => {
    const agent = await kata('read-aborts,wait-discards');
    await create(agent, ['spew', '3000000']);
    await agent.startContainer('c1');
    let bytes = 0;
    for await (const event of agent.output(INIT, START)) {
      if (event.kind === 'stdout') bytes += event.data.length;
      agent.ack(INIT, { stdout: BigInt(bytes), stderr: 0n });
    }
    expect(bytes).toBe(3_000_000);
  });

  it('6 exec-hangs-when-paused: refused here, and the resume works', async () => {
    const agent = await kata('exec-hangs-when-paused');
    await create(agent, ['sleep', '1000']);
    await agent.startContainer('c1');
    await agent.pauseContainer('c1');
    await expect(agent.exec(execSetup('c1', 'e1', ['true']))).rejects.toMatchObject({ reason: 'WRONG_STATE' });
    await agent.resumeContainer('c1');
  });

  it('9 cut-create-half-made: unreachable, then refused once, then made', async () => {
    const fake = await start('kata', 'cut-create-half-made:300');
    let agent = await fake.connect();
    const first = create(agent, ['sleep', '1000']).catch((error: unknown) => error);
    await agent.check();
    fake.cut();
    expect(await first).toMatchObject({ reason: 'AGENT_UNREACHABLE' });
    agent = await fake.connect();
    await expect(create(agent, ['sleep', '1000'])).rejects.toMatchObject({ reason: 'AGENT_REFUSED' });
    await create(agent, ['sleep', '1000']);
  });

  it('10 early-connect-kills-port: a typed end at the deadline', async () => {
    const fake = await start('kata', 'early-connect-kills-port,boot-delay:300');
    await expect(fake.connect(1000)).rejects.toMatchObject({ reason: expect.stringMatching(/^(BOOT_TIMEOUT|AGENT_UNREACHABLE)$/) as unknown });
  });
});

describe('a broken agent ends in a typed error', () => {
  it.each([
    ['link-mute', 'BOOT_TIMEOUT'],
    ['boot-hang', 'BOOT_TIMEOUT'],
    ['agent-mute:Check', 'BOOT_TIMEOUT'],
    ['agent-garbage:Check', 'AGENT_PROTOCOL'],
    ['agent-oversized:Check', 'AGENT_PROTOCOL'],
    ['agent-even-stream:Check', 'AGENT_PROTOCOL'],
  ])('%s: %s', async (fault, reason) => {
    const fake = await start('viv-agent', fault);
    await expect(fake.connect(1000)).rejects.toMatchObject({ reason });
  });

  it('agent-dies-after: unreachable at the deadline', async () => {
    const fake = await start('viv-agent', 'agent-dies-after:3', new HurriedClock());
    const agent = await fake.connect(60_000);
    const checks = (async (): Promise<void> => { for (;;) await agent.check(); })();
    await expect(checks).rejects.toMatchObject({ reason: 'AGENT_UNREACHABLE' });
  });

  it('agent-restarts-after: another process is found under the first token', async () => {
    const fake = await start('viv-agent', 'agent-restarts-after:3', new HurriedClock());
    const agent = await fake.connect(60_000);
    const checks = (async (): Promise<void> => { for (;;) await agent.check(); })();
    await expect(checks).rejects.toMatchObject({ reason: 'AGENT_UNREACHABLE' });
    fake.cut();
    await (await fake.connect(60_000)).check();
  });

  it('agent-backtrace: only the words before it', async () => {
    const agent = await (await start('viv-agent', 'agent-backtrace')).connect();
    const error = await agent.startContainer('absent').catch((e: unknown) => e as Error);
    expect(error).toMatchObject({ reason: 'AGENT_REFUSED' });
    expect((error as Error).message).not.toContain('\n');
  });
});

describe('a strange agent that keeps to the protocol is served', () => {
  it.each(['agent-duplicate', 'link-garbage', 'agent-slow:20', 'boot-delay:400'])('%s', async (fault) => {
    const agent = await (await start('viv-agent', fault)).connect();
    await create(agent, ['sh', '-c', 'echo out; exit 4']);
    await agent.startContainer('c1');
    const events = await collect(agent.output(INIT, START));
    expect(textOf(events, 'stdout')).toBe('out\n');
    expect(events.at(-1)).toMatchObject({ exit: { status: 4 } });
  });

  it('agent-out-of-order: each call gets its own answer', async () => {
    const agent = await (await start('viv-agent', 'agent-out-of-order')).connect();
    const [info, processes] = await Promise.all([agent.info(), agent.processes(), agent.check(), agent.check()]);
    expect(info.agentVersion).not.toBe('');
    expect(processes).toEqual([]);
  });

  it('oom-event is told, and the exit says so', async () => {
    const agent = await (await start('viv-agent', 'oom-event')).connect();
    const told = new Promise((resolve) => { agent.onEvent(resolve); });
    await create(agent, ['sleep', '1000']);
    await agent.startContainer('c1');
    expect(await told).toEqual({ kind: 'oom', containerId: 'c1' });
    expect((await collect(agent.output(INIT, START))).at(-1)).toMatchObject({ exit: { status: 137, oomKilled: true } });
  });
});

describe('an agent of an earlier release', () => {
  const translated = async (agent: GuestAgent): Promise<OciSpec> => {
    const users = { passwd: undefined, group: undefined };
    const guestFiles = (await agent.features()).has('names') ? ['/etc/hostname', '/etc/hosts'] : [];
    return containerRuntimeSpec({ containerId: 'c1', spec: wholeSpec({ args: ['sleep', '1000'] }), hostname: 'h', guestFiles, image: undefined, bundleSpec: undefined, users });
  };

  it.each(['agent-old', ''])('gets a spec that it can run (%s)', async (faults) => {
    const agent = await (await start('viv-agent', faults)).connect();
    await agent.createSandbox(SANDBOX);
    await agent.createContainer({ containerId: 'c1', spec: await translated(agent), storages: [], devices: [], sharedPidNamespace: false });
    await agent.startContainer('c1');
    expect((await agent.processes()).map(({ key }) => key)).toEqual([INIT]);
  });

  it('would refuse a spec with files that it does not keep', async () => {
    const agent = await (await start('viv-agent', 'agent-old')).connect();
    const mounts = [{ destination: '/etc/hosts', type: 'bind', source: '/etc/hosts', options: ['rbind', 'rw'] }];
    const refused = agent.createContainer({ containerId: 'c1', spec: { ...containerSpec(['true']), mounts }, storages: [], devices: [], sharedPidNamespace: false });
    await expect(refused).rejects.toMatchObject({ reason: 'AGENT_REFUSED' });
  });
});
