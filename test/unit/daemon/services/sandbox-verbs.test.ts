import { describe, expect, it } from 'vitest';
import { raceSignal } from '../../../../src/base/abort.ts';
import type { WaitOptions } from '../../../../src/core/ports/host.ts';
import { sandboxStats } from '../../../../src/daemon/services/stats.ts';
import { settle } from '../../../fakes/manual-clock.ts';
import { containerSpec, sandboxSpec } from '../../../fakes/records.ts';
import { World, type TestServices } from '../../../fakes/world.ts';

const CALL = { requestId: '' };
const ALL = { labels: {}, states: [] };

async function sandboxes(...names: readonly string[]): Promise<{ readonly world: World; readonly services: TestServices }> {
  const world = new World();
  const services = world.services();
  for (const name of names) await services.sandboxes.create(sandboxSpec({ name, labels: { name, kind: 'test' } }), CALL);
  return { world, services };
}

const namesOf = (page: { readonly items: readonly { readonly name: string }[] }): readonly string[] => page.items.map(({ name }) => name);

describe('ListSandboxes', () => {
  it('wants all labels and any of the states', async () => {
    const { services } = await sandboxes('a', 'b', 'c');
    await services.sandboxes.start('b', CALL);
    const list = (filter: Parameters<TestServices['sandboxes']['list']>[0]): readonly string[] => namesOf(services.sandboxes.list(filter, { size: 10, token: '' }));
    expect(list({ labels: { kind: 'test', name: 'a' }, states: [] })).toEqual(['a']);
    expect(list({ labels: { kind: 'other' }, states: [] })).toEqual([]);
    expect(list({ labels: {}, states: ['running', 'stopped'] })).toEqual(['b']);
    expect(list({ labels: { name: 'a' }, states: ['running'] })).toEqual([]);
  });

  it('gives pages that miss nothing and repeat nothing, also when one goes meanwhile', async () => {
    const { services } = await sandboxes('a', 'b', 'c', 'd');
    const first = services.sandboxes.list(ALL, { size: 2, token: '' });
    await services.sandboxes.delete('b', { force: true }, CALL);
    const second = services.sandboxes.list(ALL, { size: 2, token: first.nextToken });
    expect([namesOf(first), namesOf(second), second.nextToken]).toEqual([['a', 'b'], ['c', 'd'], '']);
  });

  it('refuses a token that is none of its own', async () => {
    const { services } = await sandboxes('a');
    expect(() => services.sandboxes.list(ALL, { size: 2, token: 'zz' })).toThrow('page token');
  });
});

describe('WaitSandbox', () => {
  it('answers when it is stopped, with why', async () => {
    const { services } = await sandboxes('sb');
    const waiting = services.sandboxes.wait('sb', {});
    await services.sandboxes.stop('sb', { force: true, graceMs: undefined }, CALL);
    await expect(waiting).resolves.toMatchObject({ state: 'stopped', cause: 'OPERATOR_STOP' });
  });

  it('answers when it is deleted', async () => {
    const { services } = await sandboxes('sb');
    const waiting = services.sandboxes.wait('sb', {});
    await services.sandboxes.delete('sb', { force: true }, CALL);
    await expect(waiting).resolves.toMatchObject({ state: 'deleted' });
  });

  it('ends with its caller', async () => {
    const { services } = await sandboxes('sb');
    const caller = new AbortController();
    const waiting = expect(services.sandboxes.wait('sb', { signal: caller.signal })).rejects.toThrow('gone');
    caller.abort(new Error('gone'));
    await waiting;
  });
});

describe('UpdateSandbox', () => {
  it('replaces the labels, on disk too, and tells watchers', async () => {
    const { services, world } = await sandboxes('sb');
    const { id, spec } = await services.sandboxes.updateLabels('sb', { new: 'one' }, CALL);
    expect([spec.labels, world.disk.get(id)?.spec.labels]).toEqual([{ new: 'one' }, { new: 'one' }]);
    expect(world.events.at(-1)).toMatchObject({ type: 'SANDBOX_UPDATED', sandboxId: id });
  });
});

describe('StopSandbox with force', () => {
  it('asks the guest nothing', async () => {
    const { services, world } = await sandboxes('sb');
    await services.containers.create('sb', containerSpec({ name: 'ctr' }), CALL);
    await services.containers.start('ctr', CALL);
    const agent = services.registry.sandbox('sb').agent?.current;
    const asked: string[] = [];
    Object.assign(agent ?? {}, { signal: async () => { asked.push('signal'); }, destroySandbox: async () => { asked.push('destroySandbox'); } });
    await services.sandboxes.stop('sb', { force: true, graceMs: undefined }, CALL);
    expect(asked).toEqual([]);
    expect([...world.vms.values()].map(({ alive }) => alive)).toEqual([false]);
  });
});

describe('GetSandboxStats', () => {
  it('has the processes of VMM, virtiofsd and both launchers', async () => {
    const { services } = await sandboxes('sb');
    const meter = async (pid: number): Promise<{ cpuSeconds: number; rssBytes: number; pssBytes: number }> => ({ cpuSeconds: pid / 1000, rssBytes: 2, pssBytes: 1 });
    const { processes } = await sandboxStats(services.registry.sandbox('sb'), meter, {});
    expect(processes.map(({ role, pid, cpuMs }) => [role, pid, cpuMs])).toEqual([['vmm', 42, 42], ['vmm-launcher', 41, 41], ['virtiofsd', 2, 2], ['virtiofsd-launcher', 1, 1]]);
  });

  it.each([['with a signal of its own', new AbortController().signal], ['without one', undefined]])('waits 2 s for a mute guest and no longer, for a caller %s', async (_, signal) => {
    const { services, world } = await sandboxes('sb');
    const unit = services.registry.sandbox('sb');
    const mute = async (options?: WaitOptions): Promise<string> => await raceSignal(new Promise<string>(() => undefined), options?.signal);
    Object.assign(unit.agent?.current ?? {}, { metrics: mute });
    const stats = sandboxStats(unit, async () => undefined, { signal });
    await world.clock.advance(1999);
    expect(await Promise.race([stats, settle().then(() => 'waits')])).toBe('waits');
    await world.clock.advance(1);
    await expect(stats).resolves.toMatchObject({ guest: undefined });
  });

  it('leaves out what is gone', async () => {
    const { services } = await sandboxes('sb');
    await expect(sandboxStats(services.registry.sandbox('sb'), async () => undefined, {})).resolves.toMatchObject({ processes: [] });
  });
});
