import { describe, expect, it } from 'vitest';
import { sandboxSpec } from '../../../fakes/records.ts';
import { World, type TestServices } from '../../../fakes/world.ts';

const CALL = { requestId: '' };
const HOUR_MS = 3_600_000;

/** A ready sandbox, and what its guest is told from then on, each with the state that the API shows at that moment. */
async function watched(world: World): Promise<{ readonly services: TestServices; readonly told: string[] }> {
  const services = world.services();
  const told: string[] = [];
  const release = world.hold('agent');
  const creating = services.sandboxes.create(sandboxSpec({ name: 'sb' }), CALL);
  while (world.vms.size === 0) await new Promise<void>((resolve) => { setImmediate(resolve); });
  const [vm] = world.vms.values();
  const agent = vm!.agent.bind(vm);
  const note = (what: string): void => { told.push(`${services.sandboxes.get('sb').state}: ${what}, VM ${vm!.paused ? 'paused' : 'runs'}`); };
  vm!.agent = (of) => ({
    ...agent(of),
    setTime: async (ms) => { note(`clock ${ms - world.clock.wallMs()} ms off`); },
    rest: (resting) => { note(resting ? 'deadlines rest' : 'deadlines go on'); },
  });
  release();
  await creating;
  return { services, told };
}

describe('a guest', () => {
  it('has its clock set before its sandbox is ready, and before a resume returns', async () => {
    const world = new World();
    const { services, told } = await watched(world);
    expect(told.splice(0)).toEqual(['creating: clock 0 ms off, VM runs']);

    await services.sandboxes.pause('sb', CALL);
    await world.clock.advance(HOUR_MS);
    await services.sandboxes.resume('sb', CALL);
    expect(told).toEqual(['ready: deadlines rest, VM runs', 'paused: deadlines go on, VM runs', 'paused: clock 0 ms off, VM runs']);
    expect(services.sandboxes.get('sb').state).toBe('ready');
  });
});
