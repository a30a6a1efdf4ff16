import { describe, expect, it } from 'vitest';
import { SilenceLimit } from '../../../../src/daemon/services/silence-limit.ts';
import { profile, sandboxSpec } from '../../../fakes/records.ts';
import { settle } from '../../../fakes/manual-clock.ts';
import { ManualClock } from '../../../fakes/manual-clock.ts';
import { World, type FakeVm, type TestServices } from '../../../fakes/world.ts';

const CALL = { requestId: '' };
const MINUTE_MS = 60_000;

async function sandbox(world: World): Promise<{ services: TestServices; vm: FakeVm }> {
  const services = world.services();
  await services.sandboxes.create(sandboxSpec({ name: 'sb' }), CALL);
  const [vm] = world.vms.values();
  if (vm === undefined) throw new Error('no VM');
  return { services, vm };
}

function patient(limitMs: number): World {
  const world = new World();
  world.profile = profile({ vmmHungTimeoutMs: limitMs, agentLostTimeoutMs: limitMs });
  return world;
}

const LOST = { kind: 'monitor-lost', detail: 'no answer' } as const;

describe('a monitor that is mute', () => {
  it('is told and ends nothing unless the profile says so', async () => {
    const world = patient(0);
    const { services, vm } = await sandbox(world);
    vm.tell(LOST);
    await world.clock.advance(60 * MINUTE_MS);
    expect(services.sandboxes.get('sb')).toMatchObject({ state: 'ready', conditions: [{ name: 'monitor_unreachable', message: 'no answer' }] });
    vm.tell({ kind: 'monitor-back' });
    await settle();
    expect(services.sandboxes.get('sb').conditions).toEqual([]);
  });

  it('for longer than the profile allows ends the sandbox as hung', async () => {
    const world = patient(MINUTE_MS);
    const { services, vm } = await sandbox(world);
    vm.tell(LOST);
    await world.clock.advance(MINUTE_MS - 1);
    expect(vm.alive).toBe(true);
    await world.clock.advance(1);
    await world.clock.advance(1000);
    expect(vm.alive).toBe(false);
    expect(services.sandboxes.get('sb')).toMatchObject({ state: 'stopped', cause: 'VMM_HUNG', causeDetail: 'its monitor was silent for 60 s', conditions: [] });
    expect(world.ended).toEqual(['sandbox VMM_HUNG']);
  });

  it('is counted anew after it was heard, and not while the sandbox is paused', async () => {
    const world = patient(MINUTE_MS);
    const { services, vm } = await sandbox(world);
    vm.tell(LOST);
    await world.clock.advance(MINUTE_MS / 2);
    vm.tell({ kind: 'monitor-back' });
    await settle();
    vm.tell(LOST);
    await services.sandboxes.pause('sb', CALL);
    await world.clock.advance(10 * MINUTE_MS);
    expect(vm.alive).toBe(true);
    await services.sandboxes.resume('sb', CALL);
    await world.clock.advance(MINUTE_MS / 2);
    expect(vm.alive).toBe(true);
    await world.clock.advance(MINUTE_MS);
    expect(services.sandboxes.get('sb')).toMatchObject({ cause: 'VMM_HUNG' });
  });
});

describe('an agent that is lost', () => {
  it('for longer than the profile allows ends the sandbox, and is told as that', async () => {
    const world = patient(MINUTE_MS);
    const { services, vm } = await sandbox(world);
    world.healthOf?.('no answer');
    await world.clock.advance(MINUTE_MS - 1);
    expect(services.sandboxes.get('sb').conditions.map(({ name }) => name)).toEqual(['agent_unreachable']);
    expect(vm.alive).toBe(true);
    await world.clock.advance(1000);
    expect(services.sandboxes.get('sb')).toMatchObject({ state: 'stopped', cause: 'AGENT_LOST' });
  });

  it('and answers again ends nothing', async () => {
    const world = patient(MINUTE_MS);
    const { services, vm } = await sandbox(world);
    world.healthOf?.('no answer');
    await world.clock.advance(MINUTE_MS / 2);
    world.healthOf?.(undefined);
    await world.clock.advance(10 * MINUTE_MS);
    expect(vm.alive).toBe(true);
    expect(services.sandboxes.get('sb').conditions).toEqual([]);
  });
});

describe('silence', () => {
  it('is counted by ticks, each once: a host that slept heard nobody', async () => {
    const timers: (() => void)[] = [];
    let over = 0;
    const clock = { timer: (_ms: number, callback: () => void): Disposable => { timers.push(callback); return { [Symbol.dispose]: () => undefined }; } };
    const limit = new SilenceLimit({ clock, limitMs: 3000, counts: () => true, onLimit: () => { over += 1; } });
    limit.silent();
    // However much later a timer comes, it is one tick.
    timers.shift()?.();
    timers.shift()?.();
    expect(over).toBe(0);
    timers.shift()?.();
    expect(over).toBe(1);
    expect(timers).toHaveLength(0);
  });

  it('does not end by a wall clock that jumps', async () => {
    const clock = new ManualClock();
    let over = 0;
    const limit = new SilenceLimit({ clock, limitMs: MINUTE_MS, counts: () => true, onLimit: () => { over += 1; } });
    limit.silent();
    clock.jump(24 * 60 * MINUTE_MS);
    await clock.advance(MINUTE_MS - 1);
    expect(over).toBe(0);
    await clock.advance(1);
    expect(over).toBe(1);
  });
});
