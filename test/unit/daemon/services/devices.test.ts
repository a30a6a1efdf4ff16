import { describe, expect, it } from 'vitest';
import { DomainError } from '../../../../src/core/model/errors.ts';
import { settle } from '../../../fakes/manual-clock.ts';
import { diskSpec, profile, sandboxSpec } from '../../../fakes/records.ts';
import { World, type FakeVm, type TestServices } from '../../../fakes/world.ts';

const CALL = { requestId: '' };
const KEEP = { force: false };

interface Stage {
  readonly world: World;
  readonly services: TestServices;
  readonly vm: () => FakeVm;
  /** `d0 attached`, as the record has them. */
  readonly states: (of?: TestServices) => readonly string[];
  readonly inVm: () => readonly [readonly number[], readonly number[]];
}

async function ready(names: readonly string[] = ['sb']): Promise<Stage> {
  const world = new World();
  const services = world.services();
  for (const name of names) await services.sandboxes.create(sandboxSpec({ name }), CALL);
  const vm = (): FakeVm => [...world.vms.values()][0]!;
  return {
    world,
    services,
    vm,
    states: (of = services) => of.sandboxes.get('sb').devices.map(({ id, state }) => `${id} ${state}`),
    inVm: () => [[...vm().devices.plugged.keys()], [...vm().devices.backends.keys()]],
  };
}

describe('attaching a device', () => {
  it('is done when VMM and guest both have it, and says where', async () => {
    const { services, states, inVm } = await ready();
    const { device, phases } = await services.devices.attach('sb', diskSpec('d0'), CALL);
    expect(device.device).toMatchObject({ state: 'attached', slot: 0, guest: { pciAddress: '0000:01:00.0', path: '/dev/vda' }, detail: '' });
    expect(phases.map(({ name }) => name)).toEqual(['queue', 'intent', 'host', 'backend', 'plug', 'guest', 'total']);
    expect([states(), inVm()]).toEqual([['d0 attached'], [[0], [0]]]);
    expect(services.devices.list('sb').freeSlots).toBe(3);
  });

  it('twice with one id happens once, and never with another spec', async () => {
    const { services, inVm } = await ready();
    await Promise.all([services.devices.attach('sb', diskSpec('d0'), CALL), services.devices.attach('sb', diskSpec('d0'), CALL)]);
    await services.devices.attach('sb', diskSpec('d0'), CALL);
    expect(inVm()).toEqual([[0], [0]]);
    await expect(services.devices.attach('sb', diskSpec('d0', { readOnly: true }), CALL)).rejects.toMatchObject({ reason: 'NAME_IN_USE' });
  });

  it('asks the guest before it plugs in, so that its word comes with the event', async () => {
    const { world, services, states } = await ready();
    const plug = world.hold('plug');
    world.failures.set('await-device', new DomainError('DEADLINE', 'asked by now'));
    const attached = services.devices.attach('sb', diskSpec('d0'), CALL);
    attached.catch(() => undefined);
    await settle();
    world.failures.clear();
    plug();
    await expect(attached).rejects.toMatchObject({ message: 'asked by now' });
    expect(states()).toEqual([]);
  });

  it('of more disks than there are ports says how many there are', async () => {
    const { services } = await ready();
    const outcomes = await Promise.allSettled(Array.from({ length: 31 }, (_, index) => services.devices.attach('sb', diskSpec(`d${index}`), CALL)));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(4);
    expect(outcomes.at(-1)).toMatchObject({ reason: { reason: 'CAPACITY_EXHAUSTED', details: { facts: { limit: '4' } } } });
  });

  it.each(['backend', 'plug', 'await-device'])('that fails at %s leaves nothing behind', async (where) => {
    const { world, services, states, inVm } = await ready();
    world.failures.set(where, new DomainError('HOST_RESOURCE', 'no'));
    await expect(services.devices.attach('sb', diskSpec('d0'), CALL)).rejects.toMatchObject({ reason: 'HOST_RESOURCE' });
    expect([states(), inVm()]).toEqual([[], [[], []]]);
    world.failures.clear();
    await services.devices.attach('sb', diskSpec('d0'), CALL);
    expect(inVm()).toEqual([[0], [0]]);
  });

  it('that fails and can not be taken back keeps its port until the guest lets go', async () => {
    const { world, services, vm, states, inVm } = await ready();
    world.failures.set('await-device', new DomainError('DEADLINE', 'not seen'));
    vm().devices.answer = 'is-silent';
    await expect(services.devices.attach('sb', diskSpec('d0'), CALL)).rejects.toMatchObject({ reason: 'DEADLINE', message: 'not seen' });
    expect(states()).toEqual(['d0 unplugging']);
    world.failures.clear();
    expect((await services.devices.attach('sb', diskSpec('d1'), CALL)).device.device.slot).toBe(1);
    vm().devices.guestLetsGo(0);
    await settle();
    expect([states(), inVm()]).toEqual([['d1 attached'], [[1], [1]]]);
  });

  it('to a guest whose agent can not tell says so', async () => {
    const { world, services } = await ready();
    world.features = new Set();
    const { device } = await services.devices.attach('sb', diskSpec('d0'), CALL);
    expect(device.device).toMatchObject({ state: 'attached', guest: undefined, detail: expect.stringContaining('only the VMM says so') as string });
  });

  it.each([
    [{ machine: 'microvm' } as const, 'a microvm has no ports'],
    [{ agent: 'none' } as const, 'no agent'],
    [{ pciePorts: 0 }, 'made without ports'],
  ])('is refused before anything is touched with %o', async (change, words) => {
    const world = new World();
    world.profile = profile(change);
    const services = world.services();
    await services.sandboxes.create(sandboxSpec({ name: 'sb' }), CALL);
    await expect(services.devices.attach('sb', diskSpec('d0'), CALL)).rejects.toMatchObject({ reason: 'UNSUPPORTED', message: expect.stringContaining(words) as string });
  });

  it('is refused while the sandbox is paused or stopped', async () => {
    const { services } = await ready();
    await services.sandboxes.pause('sb', CALL);
    await expect(services.devices.attach('sb', diskSpec('d0'), CALL)).rejects.toMatchObject({ reason: 'WRONG_STATE', details: { remedy: 'resume it first' } });
    await services.sandboxes.stop('sb', { force: true, graceMs: 0 }, CALL);
    await expect(services.devices.attach('sb', diskSpec('d0'), CALL)).rejects.toMatchObject({ reason: 'WRONG_STATE', details: { remedy: 'start it first' } });
  });

  it('of a disk that another writes is refused, unless both only read it', async () => {
    const { services } = await ready(['sb', 'other']);
    await services.devices.attach('sb', diskSpec('d0'), CALL);
    const again = (id: string, readOnly: boolean): ReturnType<typeof services.devices.attach> => services.devices.attach('other', diskSpec(id, { path: '/disks/d0.img', readOnly }), CALL);
    await expect(again('x', true)).rejects.toMatchObject({ reason: 'DEVICE_IN_USE', message: '/disks/d0.img is device d0 of sandbox sb' });
    await services.devices.detach('sb', 'd0', KEEP, CALL);
    await services.devices.attach('sb', diskSpec('d0', { readOnly: true }), CALL);
    await again('x', true);
    await expect(again('y', false)).rejects.toMatchObject({ reason: 'DEVICE_IN_USE' });
  });

  it('ends with the VM, and leaves nothing', async () => {
    const { world, services, vm, states } = await ready();
    world.hold('plug');
    const attaching = services.devices.attach('sb', diskSpec('d0'), CALL);
    attaching.catch(() => undefined);
    await settle();
    vm().end();
    await expect(attaching).rejects.toMatchObject({ reason: 'VMM_EXITED' });
    await settle();
    expect([services.sandboxes.get('sb').state, states()]).toEqual(['stopped', []]);
  });
});

describe('detaching a device', () => {
  async function attached(): Promise<Stage> {
    const stage = await ready();
    await stage.services.devices.attach('sb', diskSpec('d0'), CALL);
    return stage;
  }

  it('is done when VMM and guest say that it is gone, and its node is given back', async () => {
    const { services, states, inVm } = await attached();
    const phases = await services.devices.detach('sb', 'd0', KEEP, CALL);
    expect(phases.map(({ name }) => name)).toEqual(['queue', 'let_go', 'unplug', 'guest', 'backend', 'host', 'total']);
    expect([states(), inVm()]).toEqual([[], [[], []]]);
    await expect(services.devices.detach('sb', 'd0', KEEP, CALL)).rejects.toMatchObject({ reason: 'DEVICE_NOT_FOUND' });
    expect(await services.devices.detach('sb', 'd0', KEEP, { requestId: 'r', attempt: { subject: 'x', begunAtMs: 1 } })).toEqual([]);
  });

  it('that the guest refuses leaves it attached', async () => {
    const { services, vm, states } = await attached();
    vm().devices.answer = 'refuses';
    await expect(services.devices.detach('sb', 'd0', KEEP, CALL)).rejects.toMatchObject({ reason: 'WRONG_STATE', message: 'the guest refuses to let go of device d0' });
    expect(states()).toEqual(['d0 attached']);
  });

  it('of what the guest uses is refused before it is asked for, unless forced', async () => {
    const { world, services, states } = await attached();
    world.failures.set('release-device', new DomainError('DEVICE_IN_USE', '/dev/vda is in use in the guest'));
    await expect(services.devices.detach('sb', 'd0', KEEP, CALL)).rejects.toMatchObject({ reason: 'DEVICE_IN_USE' });
    expect(states()).toEqual(['d0 attached']);
    await services.devices.detach('sb', 'd0', { force: true }, CALL);
    expect(states()).toEqual([]);
  });

  it('that is not answered stays, the queue moves on, and a late event finishes it', async () => {
    const { services, vm, states, inVm } = await attached();
    vm().devices.answer = 'is-silent';
    await expect(services.devices.detach('sb', 'd0', KEEP, CALL)).rejects.toMatchObject({ reason: 'DEADLINE' });
    expect(services.devices.get('sb', 'd0').device).toMatchObject({ state: 'unplugging', detail: 'the guest did not let go of the device' });
    expect((await services.devices.attach('sb', diskSpec('d1'), CALL)).device.device.slot).toBe(1);
    vm().devices.guestLetsGo(0);
    await settle();
    expect([states(), inVm()]).toEqual([['d1 attached'], [[1], [1]]]);
  });

  it('that the guest began by itself is followed', async () => {
    const { vm, states, inVm } = await attached();
    vm().devices.guestLetsGo(0);
    await settle();
    expect([states(), inVm()]).toEqual([[], [[], []]]);
  });

  it('whose node stays in use can be tried again', async () => {
    const { world, services, states } = await attached();
    world.failures.set('remove-backend', new DomainError('VMM_FAILED', 'in use'));
    await expect(services.devices.detach('sb', 'd0', KEEP, CALL)).rejects.toMatchObject({ reason: 'VMM_FAILED' });
    await settle();
    expect(states()).toEqual(['d0 failed']);
    world.failures.clear();
    await services.devices.detach('sb', 'd0', KEEP, CALL);
    expect(states()).toEqual([]);
  });
});

describe('a sandbox that is stopped', () => {
  it('has its devices back when it is started again', async () => {
    const { world, services, states } = await ready();
    await services.devices.attach('sb', diskSpec('d0'), CALL);
    await services.devices.attach('sb', diskSpec('d1'), CALL);
    await services.sandboxes.stop('sb', { force: true, graceMs: 0 }, CALL);
    expect([states(), services.devices.list('sb').freeSlots]).toEqual([['d0 kept', 'd1 kept'], 4]);
    await services.devices.detach('sb', 'd0', KEEP, CALL);
    await services.sandboxes.start('sb', CALL);
    expect(states()).toEqual(['d1 attached']);
    expect([...[...world.vms.values()].at(-1)!.devices.plugged.keys()]).toEqual([0]);
  });

  it('does not start without them, and says why', async () => {
    const { world, services, states } = await ready();
    await services.devices.attach('sb', diskSpec('d0'), CALL);
    await services.sandboxes.stop('sb', { force: true, graceMs: 0 }, CALL);
    world.failures.set('prepare', new DomainError('INVALID_REQUEST', '/disks/d0.img is not there'));
    await expect(services.sandboxes.start('sb', CALL)).rejects.toMatchObject({ message: "device d0 can't be plugged in again: /disks/d0.img is not there" });
    expect([services.sandboxes.get('sb').state, states()]).toEqual(['stopped', ['d0 kept']]);
  });

  it('does not keep others from its disks', async () => {
    const { services } = await ready(['sb', 'other']);
    await services.devices.attach('sb', diskSpec('d0'), CALL);
    await services.sandboxes.stop('sb', { force: true, graceMs: 0 }, CALL);
    await services.devices.attach('other', diskSpec('mine', { path: '/disks/d0.img' }), CALL);
    await expect(services.sandboxes.start('sb', CALL)).rejects.toMatchObject({ reason: 'DEVICE_IN_USE' });
  });
});

describe('a daemon that comes back', () => {
  async function comeBack(world: World): Promise<TestServices> {
    const services = world.services();
    await (await services.recovery.begin()).settled;
    await settle();
    return services;
  }

  it('knows what is attached, and its ports', async () => {
    const { world, services, states } = await ready();
    await services.devices.attach('sb', diskSpec('d0'), CALL);
    const next = await comeBack(world);
    expect([states(next), next.devices.list('sb').freeSlots]).toEqual([['d0 attached'], 3]);
  });

  it('knows what is asked for again as the same', async () => {
    const { world, services, inVm } = await ready();
    await services.devices.attach('sb', diskSpec('d0', { format: undefined }), CALL);
    const next = await comeBack(world);
    await expect(next.devices.attach('sb', diskSpec('d0', { format: undefined }), CALL)).resolves.toMatchObject({ device: { device: { state: 'attached' } } });
    await expect(next.devices.attach('sb', diskSpec('d0', { format: 'qcow2' }), CALL)).rejects.toMatchObject({ reason: 'NAME_IN_USE' });
    expect(inVm()).toEqual([[0], [0]]);
  });

  it.each(['backend', 'plug', 'await-device'])('finishes an attach that was cut off at %s', async (where) => {
    const { world, services, states, inVm } = await ready();
    world.hold(where);
    void services.devices.attach('sb', diskSpec('d0'), CALL).catch(() => undefined);
    await settle();
    world.held.delete(where);
    const next = await comeBack(world);
    expect([states(next), inVm()]).toEqual([['d0 attached'], [[0], [0]]]);
  });

  it.each(['unplug', 'await-gone', 'remove-backend'])('finishes a detach that was cut off at %s', async (where) => {
    const { world, services, states, inVm } = await ready();
    await services.devices.attach('sb', diskSpec('d0'), CALL);
    world.hold(where);
    void services.devices.detach('sb', 'd0', KEEP, CALL).catch(() => undefined);
    await settle();
    world.held.delete(where);
    const next = await comeBack(world);
    expect([states(next), inVm()]).toEqual([[], [[], []]]);
  });

  it('lets go of what the guest let go of meanwhile', async () => {
    const { world, services, vm, states, inVm } = await ready();
    await services.devices.attach('sb', diskSpec('d0'), CALL);
    world.generation += 1;
    vm().devices.plugged.delete(0);
    const next = await comeBack(world);
    expect([states(next), inVm()]).toEqual([[], [[], []]]);
  });
});
