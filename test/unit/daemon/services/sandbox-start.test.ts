import { describe, expect, it } from 'vitest';
import { containerSpec, sandboxSpec } from '../../../fakes/records.ts';
import { World } from '../../../fakes/world.ts';

const CALL = { requestId: '' };
const STOP = { force: false, graceMs: 0 };

async function ready(world = new World()): Promise<{ readonly world: World; readonly services: ReturnType<World['services']> }> {
  const services = world.services();
  await services.sandboxes.create(sandboxSpec({ name: 'sb' }), CALL);
  return { world, services };
}

describe('StartSandbox', () => {
  it('makes a sandbox RUNNING, also one without containers', async () => {
    const { services: { sandboxes }, world } = await ready();
    await expect(sandboxes.start('sb', CALL)).resolves.toMatchObject({ value: { state: 'running' }, startedContainerIds: [] });
    expect(world.events.at(-1)).toMatchObject({ type: 'SANDBOX_RUNNING', name: 'sb' });
  });

  it('changes nothing the second time', async () => {
    const { services: { sandboxes } } = await ready();
    const { value } = await sandboxes.start('sb', CALL);
    await expect(sandboxes.start('sb', CALL)).resolves.toMatchObject({ value: { epoch: value.epoch, state: 'running' } });
  });

  it('launches what never started and what ran at the stop, and leaves what had ended', async () => {
    const { services: { sandboxes, containers }, world } = await ready();
    for (const name of ['ran', 'ended', 'never']) await containers.create('sb', containerSpec({ name }), CALL);
    const idOf = (name: string): string => containers.get(name).container.id;
    await containers.start('ran', CALL);
    await containers.start('ended', CALL);
    const [vm] = world.vms.values();
    vm!.act(idOf('ended'), { exit: 0 });
    await containers.wait('ended', {});
    await sandboxes.stop('sb', STOP, CALL);
    const { startedContainerIds, value } = await sandboxes.start('sb', CALL);
    expect([...startedContainerIds].sort()).toEqual([idOf('ran'), idOf('never')].sort());
    expect(['ran', 'never', 'ended'].map((name) => containers.get(name).container.state)).toEqual(['running', 'running', 'exited']);
    expect(value.state).toBe('running');
  });

  it('is RUNNING again after a stop, and READY after a create', async () => {
    const { services: { sandboxes } } = await ready();
    expect(sandboxes.get('sb').state).toBe('ready');
    await sandboxes.start('sb', CALL);
    await sandboxes.stop('sb', STOP, CALL);
    expect(sandboxes.get('sb')).toMatchObject({ state: 'stopped' });
    await expect(sandboxes.start('sb', CALL)).resolves.toMatchObject({ value: { state: 'running' } });
  });
});

describe('a sandbox that was started', () => {
  it('is RUNNING after a pause and a resume, whatever its containers do', async () => {
    const { services: { sandboxes } } = await ready();
    await sandboxes.start('sb', CALL);
    await sandboxes.pause('sb', CALL);
    await expect(sandboxes.resume('sb', CALL)).resolves.toMatchObject({ value: { state: 'running' } });
  });

  it('is RUNNING for the next daemon', async () => {
    const { services: { sandboxes }, world } = await ready();
    await sandboxes.start('sb', CALL);
    const next = world.services();
    await (await next.recovery.begin()).settled;
    expect(next.sandboxes.get('sb').state).toBe('running');
  });
});

describe('a sandbox that was not', () => {
  it('is READY after a pause and a resume', async () => {
    const { services: { sandboxes } } = await ready();
    await sandboxes.pause('sb', CALL);
    await expect(sandboxes.resume('sb', CALL)).resolves.toMatchObject({ value: { state: 'ready' } });
  });

  it('is moved to RUNNING by the start of a container', async () => {
    const { services: { sandboxes, containers }, world } = await ready();
    await containers.create('sb', containerSpec({ name: 'ctr' }), CALL);
    await containers.start('ctr', CALL);
    expect(sandboxes.get('sb').state).toBe('running');
    expect(world.events.map(({ type }) => type)).toContain('SANDBOX_RUNNING');
  });
});

describe('StopSandbox', () => {
  it('answers the same however often it is asked', async () => {
    const { services: { sandboxes } } = await ready();
    const { value } = await sandboxes.stop('sb', STOP, CALL);
    await expect(sandboxes.stop('sb', STOP, CALL)).resolves.toMatchObject({ value: { state: 'stopped', epoch: value.epoch, finishedAtMs: value.finishedAtMs } });
  });
});
