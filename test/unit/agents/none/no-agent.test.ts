import { describe, expect, it } from 'vitest';

import { NoAgent } from '../../../../src/agents/none/no-agent.ts';
import type { GuestAgent } from '../../../../src/core/ports/agent.ts';
import { execSetup } from '../../../fakes/agent/specs.ts';

const INIT = { containerId: 'c1', execId: undefined };
const START = { stdout: 0n, stderr: 0n };

const REFUSED: readonly (readonly [name: string, call: (agent: GuestAgent) => Promise<unknown>])[] = [
  ['createContainer', async (agent) => { await agent.createContainer({ containerId: 'c1', spec: {}, storages: [], devices: [], sharedPidNamespace: false }); }],
  ['startContainer', async (agent) => { await agent.startContainer('c1'); }],
  ['removeContainer', async (agent) => { await agent.removeContainer('c1'); }],
  ['exec', async (agent) => { await agent.exec(execSetup('c1', 'e1', ['true'])); }],
  ['signal', async (agent) => { await agent.signal(INIT, 9, true); }],
  ['pauseContainer', async (agent) => { await agent.pauseContainer('c1'); }],
  ['resumeContainer', async (agent) => { await agent.resumeContainer('c1'); }],
  ['usage', (agent) => agent.usage('c1')],
  ['resizeTty', async (agent) => { await agent.resizeTty(INIT, 24, 80); }],
  ['metrics', (agent) => agent.metrics()],
  ['setTime', async (agent) => { await agent.setTime(0); }],
  ['reseed', async (agent) => { await agent.reseed(new Uint8Array(8)); }],
  ['processes', (agent) => agent.processes()],
  ['writeStdin', (agent) => agent.writeStdin(INIT, 0n, new Uint8Array(1), false)],
  ['output', async (agent) => await Promise.resolve().then(() => agent.output(INIT, START))],
  ['ack', async (agent) => { await Promise.resolve().then(() => { agent.ack(INIT, START); }); }],
];

describe('a guest without an agent', () => {
  it.each(REFUSED)('%s is refused by type, with what to do', async (_, call) => {
    await expect(call(new NoAgent())).rejects.toMatchObject({ reason: 'UNSUPPORTED', details: { remedy: expect.stringContaining('viv-agent') as string } });
  });

  it('has what the life of its VM needs', async () => {
    const agent: GuestAgent = new NoAgent();
    agent.onEvent(() => undefined);
    agent.rest(true);
    await agent.check();
    await agent.createSandbox({ sandboxId: 's', hostname: 's', dns: [], storages: [], sharedPidNamespace: false });
    await agent.destroySandbox();
    expect(await agent.info()).toMatchObject({ agentVersion: '', cpus: 0 });
    agent.close();
  });
});
