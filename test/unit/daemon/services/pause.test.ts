import { describe, expect, it } from 'vitest';
import { containerSpec, sandboxSpec } from '../../../fakes/records.ts';
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

describe('a paused sandbox', () => {
  const SIZE = { rows: 24, columns: 80 };

  async function paused(): Promise<TestServices> {
    const world = new World();
    const services = world.services();
    await services.sandboxes.create(sandboxSpec({ name: 'sb' }), CALL);
    await services.containers.create('sb', containerSpec({ name: 'ctr' }), CALL);
    await services.containers.start('ctr', CALL);
    await services.sandboxes.pause('sb', CALL);
    return services;
  }

  const REFUSED: readonly (readonly [string, (services: TestServices) => Promise<unknown>])[] = [
    ['Exec', ({ containers }) => containers.exec('ctr', { command: ['true'], env: [], workingDir: '', user: '', tty: false, stdin: false, ttySize: undefined, privileged: false }, CALL)],
    ['CreateContainer', ({ containers }) => containers.create('sb', containerSpec({ name: 'other' }), CALL)],
    ['StartContainer', ({ containers }) => containers.start('ctr', CALL)],
    ['StopContainer', ({ containers }) => containers.stop('ctr', 0, CALL)],
    ['KillContainer', ({ containers }) => containers.kill('ctr', 'SIGKILL', true, CALL)],
    ['DeleteContainer', ({ containers }) => containers.delete('ctr', { force: true }, CALL)],
    ['PauseContainer', ({ containers }) => containers.pause('ctr', CALL)],
    ['ResizeContainerTty', ({ containers }) => containers.resizeTty('ctr', '', SIZE)],
    ['GetContainerStats', ({ containers }) => containers.stats('ctr', {})],
  ];

  it.each(REFUSED)('refuses %s at once and stays as it is', async (_name, call) => {
    const services = await paused();
    await expect(call(services)).rejects.toMatchObject({ reason: 'WRONG_STATE', details: { sandboxId: services.sandboxes.get('sb').id, remedy: expect.stringContaining('resume') as string } });
    expect(services.containers.get('ctr').container.state).toBe('running');
    expect(services.sandboxes.get('sb').state).toBe('paused');
  });

  it('is deleted while it is paused', async () => {
    const services = await paused();
    await services.sandboxes.delete('sb', { force: true }, CALL);
    expect(() => services.sandboxes.get('sb')).toThrow('no such sandbox');
  });

  it('is stopped with grace: it goes on for that', async () => {
    const services = await paused();
    await expect(services.sandboxes.stop('sb', { force: false, graceMs: 0 }, CALL)).resolves.toMatchObject({ value: { state: 'stopped' } });
  });
});
