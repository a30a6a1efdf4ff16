import { describe, expect, it } from 'vitest';
import { DomainError } from '../../../../src/core/model/errors.ts';
import { sandboxSpec } from '../../../fakes/records.ts';
import { World } from '../../../fakes/world.ts';

const CALL = { requestId: '' };

async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await new Promise<void>((resolve) => { setImmediate(resolve); });
}

function end(change: { kind: 'signalled' | 'exited' | 'unknown'; signal?: number }): Parameters<NonNullable<ReturnType<World['vms']['get']>>['end']>[0] {
  return { code: 0, signal: 0, atMs: 0, stderrTail: '', cpuMs: 0, maxRssKib: 0, ...change };
}

describe('a VMM that ended', () => {
  it.each([
    ['by SIGKILL, with an OOM kill counted', { kind: 'signalled', signal: 9 }, 1, 'HOST_OOM_KILL'],
    ['by SIGKILL, with none counted', { kind: 'signalled', signal: 9 }, 0, 'VMM_CRASH'],
    ['by another signal', { kind: 'signalled', signal: 11 }, 1, 'VMM_CRASH'],
    ['by itself', { kind: 'exited' }, 1, 'VMM_EXIT'],
    ['with its launcher gone, with an OOM kill counted', { kind: 'unknown' }, 1, 'HOST_OOM_KILL'],
    ['with its launcher gone', { kind: 'unknown' }, 0, 'UNKNOWN'],
  ] as const)('%s', async (_how, how, kills, cause) => {
    const world = new World();
    const services = world.services();
    await services.sandboxes.create(sandboxSpec({ name: 'sb' }), CALL);
    const [[runDir, vm] = []] = world.vms;
    const [place] = world.cgroups.keys();
    if (vm === undefined || place === undefined || runDir === undefined) throw new Error('no VM');
    world.cgroups.set(place, kills);
    vm.end(end(how));
    await settle();
    expect(services.sandboxes.get('sb')).toMatchObject({ state: 'stopped', cause });
    expect(world.ended).toEqual([`sandbox ${cause}`]);
    expect(world.cgroups.size).toBe(0);
  });

  it('while the daemon was away is judged by what its launcher and its groups kept', async () => {
    const world = new World();
    await world.services().sandboxes.create(sandboxSpec({ name: 'sb' }), CALL);
    const [vm] = world.vms.values();
    const [place] = world.cgroups.keys();
    if (vm === undefined || place === undefined) throw new Error('no VM');
    world.kept = end({ kind: 'signalled', signal: 9 });
    world.cgroups.set(place, 1);
    vm.end(world.kept);
    const services = world.services();
    await (await services.recovery.begin()).settled;
    expect(services.sandboxes.get('sb')).toMatchObject({ state: 'stopped', cause: 'HOST_OOM_KILL' });
    expect(world.cgroups.size).toBe(0);
  });
});

describe("a sandbox's control groups", () => {
  it('are claimed before they are made, and go when its boot fails', async () => {
    const world = new World();
    const services = world.services();
    world.failures.set('launch', new DomainError('VMM_FAILED', 'broken'));
    const release = world.hold('cgroup');
    const creating = services.sandboxes.create(sandboxSpec({ name: 'sb' }), CALL);
    await settle();
    expect([...world.disk.values()][0]?.resources.filter(({ kind }) => kind === 'cgroup')).toHaveLength(1);
    expect(world.cgroups.size).toBe(0);
    release();
    await expect(creating).rejects.toMatchObject({ reason: 'VMM_FAILED' });
    expect(world.cgroups.size).toBe(0);
  });

  it('are claimed anew at each boot, as this daemon names them, and removed as any daemon named them', async () => {
    const world = new World();
    const services = world.services();
    await services.sandboxes.create(sandboxSpec({ name: 'sb' }), CALL);
    const old = world.cgroupRoot;
    world.cgroupRoot = '/other';
    await services.sandboxes.stop('sb', { force: true, graceMs: undefined }, CALL);
    expect(world.cgroups.size).toBe(0);
    await services.sandboxes.start('sb', CALL);
    const names = services.sandboxes.get('sb').resources.filter(({ kind }) => kind === 'cgroup').map(({ name }) => name);
    expect(names).toEqual([...world.cgroups.keys()]);
    expect(names[0]?.startsWith(old)).toBe(false);
  });
});
