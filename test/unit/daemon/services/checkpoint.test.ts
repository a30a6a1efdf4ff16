import { describe, expect, it } from 'vitest';
import { DomainError } from '../../../../src/core/model/errors.ts';
import { containerSpec, sandboxSpec } from '../../../fakes/records.ts';
import { World, type FakeVm, type TestServices } from '../../../fakes/world.ts';

const CALL = { requestId: '' };

function onlyVm(world: World): FakeVm {
  const [vm] = world.vms.values();
  if (vm === undefined) throw new Error('no VM');
  return vm;
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await new Promise<void>((resolve) => { setImmediate(resolve); });
}

async function running(services: TestServices): Promise<string> {
  const { value: sandbox } = await services.sandboxes.create(sandboxSpec({ name: 'sb' }), CALL);
  const { value } = await services.containers.create(sandbox.id, containerSpec({ name: 'ctr' }), CALL);
  await services.containers.start('ctr', CALL);
  return value.container.id;
}

function conditions(services: TestServices): readonly string[] {
  return services.sandboxes.get('sb').conditions.map(({ name }) => name);
}

describe('a record that the disk does not take', () => {
  it('is a condition and a figure until it is saved; the VM runs on and can be read', async () => {
    const world = new World();
    const services = world.services();
    const containerId = await running(services);
    world.failures.set('save', new DomainError('STORAGE_FULL', 'disk full'));
    onlyVm(world).act(containerId, { exit: 3 });
    await settle();
    expect(conditions(services)).toEqual(['checkpoint_failed']);
    expect(services.sandboxes.get('sb').conditions[0]?.message).toContain('disk full');
    expect(world.unsaved).toBe(1);
    expect(services.containers.get('ctr').container.exit?.code).toBe(3);
    expect(onlyVm(world).alive).toBe(true);

    await world.clock.advance(5000);
    expect(conditions(services)).toEqual(['checkpoint_failed']);
    world.failures.clear();
    await world.clock.advance(1000);
    await settle();
    expect(conditions(services)).toEqual([]);
    expect(world.unsaved).toBe(0);
    expect([...world.disk.values()][0]).toMatchObject({ conditions: [], containers: [{ state: 'exited' }] });
    expect(world.events.filter(({ type }) => type === 'SANDBOX_CONDITION').map(({ attributes }) => attributes)).toEqual([
      { condition: 'checkpoint_failed', active: 'true' },
      { condition: 'checkpoint_failed', active: 'false' },
    ]);
  });

  it('is saved by the next change too, which the condition does not outlive', async () => {
    const world = new World();
    const services = world.services();
    const containerId = await running(services);
    world.failures.set('save', new DomainError('HOST_RESOURCE', 'read-only file system'));
    onlyVm(world).act(containerId, { exit: 0 });
    await settle();
    await expect(services.sandboxes.updateLabels('sb', { a: 'b' }, CALL)).rejects.toMatchObject({ message: 'read-only file system' });
    expect(world.unsaved).toBe(1);
    world.failures.clear();
    await services.sandboxes.updateLabels('sb', { a: 'b' }, CALL);
    expect(conditions(services)).toEqual([]);
    expect(world.unsaved).toBe(0);
    await world.clock.advance(2000);
    expect(world.unsaved).toBe(0);
    expect([...world.disk.values()][0]).toMatchObject({ conditions: [], containers: [{ state: 'exited' }], spec: { labels: { a: 'b' } } });
  });

  it('does not come between a later change and the disk', async () => {
    const world = new World();
    const services = world.services();
    const containerId = await running(services);
    world.failures.set('save', new DomainError('STORAGE_FULL', 'disk full'));
    onlyVm(world).act(containerId, { exit: 0 });
    await settle();
    world.failures.clear();
    // The change is being saved while the time to try again comes.
    const release = world.hold('save');
    const updating = services.sandboxes.updateLabels('sb', { a: 'b' }, CALL);
    await world.clock.advance(1500);
    release();
    await updating;
    await settle();
    expect([...world.disk.values()][0]).toMatchObject({ spec: { labels: { a: 'b' } } });
  });
});
