import { describe, expect, it } from 'vitest';
import { containerSpec, sandboxSpec } from '../../../fakes/records.ts';
import { World } from '../../../fakes/world.ts';

const CALL = { requestId: '' };
const DNS = { servers: ['10.0.0.1'], searches: [], options: [] };

/** The guest's files that were asked to be mounted into each container, with the fake translation. */
const mounted = (world: World): readonly unknown[] => world.asked.map(({ spec }) => spec['mounts']);

describe('a container is told of names', () => {
  it('by the files that its guest keeps', async () => {
    const world = new World();
    const { sandboxes, containers } = world.services();
    const { value } = await sandboxes.create(sandboxSpec({ name: 'sb', dns: DNS }), CALL);
    await containers.create(value.id, containerSpec({ name: 'c' }), CALL);
    expect(mounted(world)).toEqual([['/etc/hostname', '/etc/hosts', '/etc/resolv.conf']]);
  });

  it('not by those that a guest from before an upgrade has not: a container of it starts without them', async () => {
    const world = new World();
    world.features = new Set();
    const before = world.services();
    const { value } = await before.sandboxes.create(sandboxSpec({ name: 'sb', dns: DNS }), CALL);
    const { containers, recovery } = world.services();
    const { settled } = await recovery.begin();
    await settled;
    await containers.create(value.id, containerSpec({ name: 'c' }), CALL);
    await containers.start('c', CALL);
    expect(mounted(world)).toEqual([['/etc/resolv.conf']]);
    expect(containers.get('c').container.state).toBe('running');
  });
});
