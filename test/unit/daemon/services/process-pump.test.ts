import { expect, it } from 'vitest';
import { DomainError } from '../../../../src/core/model/errors.ts';
import type { GuestAgent } from '../../../../src/core/ports/agent.ts';
import type { ContainerLog } from '../../../../src/core/ports/logs.ts';
import { AgentHandle } from '../../../../src/daemon/services/agent-handle.ts';
import { ProcessPump } from '../../../../src/daemon/services/process-pump.ts';
import { ManualClock } from '../../../fakes/manual-clock.ts';
import { MemoryLogger } from '../../../fakes/memory-logger.ts';

/** An agent whose output fails at once, as one does whose connection has been closed. */
function closedAgent(): GuestAgent {
  const agent: Partial<GuestAgent> = {
    onEvent: () => undefined,
    close: () => undefined,
    async *output() {
      await Promise.resolve();
      yield* [];
      throw new DomainError('AGENT_UNREACHABLE', 'link lost');
    },
  };
  return agent as GuestAgent;
}

it('hears its stop when the agent was closed for good under it', async () => {
  const clock = new ManualClock();
  const agent = new AgentHandle({
    clock,
    connector: { connect: async () => closedAgent() },
    target: { kind: 'viv-agent', transport: 'virtio-serial', socketPath: '/agent.sock', tokenFile: '/agent.token' },
    watchHealth: () => ({ start: () => undefined, rest: () => undefined, stop: () => undefined }),
    onEvent: () => undefined,
    onReachable: () => undefined,
  });
  await agent.connect(1000, {});
  agent.close();
  const log: Partial<ContainerLog> = { end: { stdout: 0n, stderr: 0n } };
  const pump = new ProcessPump({ key: { containerId: 'ctr', execId: undefined }, terminal: false, agent, log: log as ContainerLog, base: { stdout: 0n, stderr: 0n }, clock, logger: new MemoryLogger(), onExit: () => undefined });
  // A pump that asks again without a pause never lets this turn of the event loop come.
  await new Promise<void>((resolve) => { setImmediate(resolve); });
  await pump.stop();
  await expect(agent.get()).rejects.toMatchObject({ reason: 'AGENT_UNREACHABLE' });
});
