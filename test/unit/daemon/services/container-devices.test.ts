import { describe, expect, it } from 'vitest';
import { DomainError } from '../../../../src/core/model/errors.ts';
import type { ContainerDevice } from '../../../../src/core/model/sandbox-spec.ts';
import { settle } from '../../../fakes/manual-clock.ts';
import { containerSpec, diskSpec, sandboxSpec } from '../../../fakes/records.ts';
import { World, type FakeVm, type TestServices } from '../../../fakes/world.ts';

const CALL = { requestId: '' };
const DATA: ContainerDevice = { containerPath: '/dev/data', permissions: 'rw', what: diskSpec('', { path: '/disks/a.img' }).what };
const NULL: ContainerDevice = { containerPath: '', permissions: 'rwm', what: { kind: 'node', path: '/dev/null' } };
const HOST_DISK: ContainerDevice = { containerPath: '', permissions: 'r', what: { kind: 'node', path: '/dev/sdb' } };

interface Stage {
  readonly world: World;
  readonly services: TestServices;
  readonly vm: () => FakeVm;
  readonly create: (devices: readonly ContainerDevice[], name?: string) => Promise<string>;
  readonly states: (of?: TestServices) => readonly string[];
}

async function ready(): Promise<Stage> {
  const world = new World();
  const services = world.services();
  await services.sandboxes.create(sandboxSpec({ name: 'sb' }), CALL);
  return {
    world,
    services,
    vm: () => [...world.vms.values()][0]!,
    create: async (devices, name = 'c') => (await services.containers.create('sb', containerSpec({ name, devices }), CALL)).value.container.id,
    states: (of = services) => of.sandboxes.get('sb').devices.map(({ host, state }) => `${host.path} ${state}`),
  };
}

describe('a container with devices', () => {
  it('has what was plugged in for it by its place, and what the guest has by its path', async () => {
    const { world, services, create, states } = await ready();
    const id = await create([DATA, NULL, HOST_DISK]);
    expect(states()).toEqual(['/disks/a.img attached', '/dev/sdb attached']);
    expect(world.asked.at(-1)?.devices).toEqual([
      { place: '10.0/00.0', vmPath: '/dev/vda', containerPath: '/dev/data', permissions: 'rw' },
      { place: '', vmPath: '/dev/null', containerPath: '/dev/null', permissions: 'rwm' },
      { place: '10.1/00.0', vmPath: '/dev/vdb', containerPath: '/dev/sdb', permissions: 'r' },
    ]);
    expect(services.sandboxes.get('sb').devices.map(({ owner }) => owner)).toEqual([id, id]);
  });

  it('without a path of its own calls a disk as the guest does', async () => {
    const { world, create } = await ready();
    await create([{ ...DATA, containerPath: '' }]);
    expect(world.asked.at(-1)?.devices).toMatchObject([{ containerPath: '/dev/vda' }]);
  });

  it('takes along what it brought, and nothing else', async () => {
    const { services, create, states, vm } = await ready();
    await services.devices.attach('sb', diskSpec('d0'), CALL);
    await create([DATA]);
    const phases = await services.containers.delete('c', { force: true }, CALL);
    expect(phases.map(({ name }) => name)).toContain('devices');
    expect([states(), [...vm().devices.plugged.keys()]]).toEqual([['/disks/d0.img attached'], [0]]);
  });

  it('keeps its disk over its end and another start', async () => {
    const { world, services, vm, create, states } = await ready();
    const id = await create([DATA]);
    await services.containers.start('c', CALL);
    vm().act(id, { exit: 0 });
    await settle();
    await services.containers.start('c', CALL);
    expect([states(), vm().devices.plugged.size, world.asked.length]).toEqual([['/disks/a.img attached'], 1, 2]);
    expect(world.asked[1]?.devices).toEqual(world.asked[0]?.devices);
  });

  it('that can not be made gives back what was plugged in for it', async () => {
    const { world, create, states, vm } = await ready();
    world.failures.set('agent-create', new DomainError('AGENT_REFUSED', 'no'));
    await expect(create([DATA, HOST_DISK])).rejects.toMatchObject({ reason: 'AGENT_REFUSED' });
    expect([states(), vm().devices.plugged.size]).toEqual([[], 0]);
  });

  it('is refused before anything is touched when one of its devices can not be had', async () => {
    const { world, services, create, states } = await ready();
    world.failures.set('prepare', new DomainError('DEVICE_IN_USE', 'mounted'));
    await expect(create([NULL, DATA])).rejects.toMatchObject({ reason: 'DEVICE_IN_USE' });
    expect([states(), services.sandboxes.get('sb').containers]).toEqual([[], []]);
  });

  it('is refused by an agent that would not make the nodes', async () => {
    const { world, create, states } = await ready();
    world.features = new Set(['names', 'devices']);
    await expect(create([NULL])).rejects.toMatchObject({ reason: 'UNSUPPORTED', message: expect.stringContaining('too old') as string });
    await expect(create([DATA])).rejects.toMatchObject({ reason: 'UNSUPPORTED' });
    expect(states()).toEqual([]);
  });

  it('goes although its guest does not let go of the disk, which goes when it does', async () => {
    const { services, vm, create, states } = await ready();
    await create([DATA]);
    vm().devices.answer = 'is-silent';
    await services.containers.delete('c', { force: true }, CALL);
    expect([services.sandboxes.get('sb').containers, states()]).toEqual([[], ['/disks/a.img unplugging']]);
    vm().devices.guestLetsGo(0);
    await settle();
    expect(states()).toEqual([]);
  });

  it('and its disk are back when their sandbox is started again; a disk whose container was deleted meanwhile is not', async () => {
    const { services, vm, create, states } = await ready();
    await create([DATA], 'one');
    await create([HOST_DISK], 'two');
    await services.sandboxes.stop('sb', { force: true, graceMs: 0 }, CALL);
    expect(states()).toEqual(['/disks/a.img kept', '/dev/sdb kept']);
    await services.containers.delete('two', { force: true }, CALL);
    await services.sandboxes.start('sb', CALL);
    expect([states(), vm().devices.plugged.size]).toEqual([['/disks/a.img attached'], 1]);
  });

  it('that a daemon left half made loses its disk when the next one comes', async () => {
    const { world, create, states } = await ready();
    world.hold('agent-create');
    create([DATA]).catch(() => undefined);
    await settle();
    expect(states()).toEqual(['/disks/a.img attached']);
    const next = world.services();
    await (await next.recovery.begin()).settled;
    await settle();
    expect(states(next)).toEqual([]);
  });
});
