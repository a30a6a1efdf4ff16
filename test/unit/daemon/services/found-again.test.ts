import { describe, expect, it } from 'vitest';
import { DomainError } from '../../../../src/core/model/errors.ts';
import type { SandboxRecord } from '../../../../src/core/model/record.ts';
import { containerSpec, sandboxSpec } from '../../../fakes/records.ts';
import { World, type TestServices } from '../../../fakes/world.ts';

const CALL = { requestId: '' };

async function running(): Promise<World> {
  const world = new World();
  const services = world.services();
  const { value: sandbox } = await services.sandboxes.create(sandboxSpec({ name: 'sb' }), CALL);
  await services.containers.create(sandbox.id, containerSpec({ name: 'ctr' }), CALL);
  await services.containers.start('ctr', CALL);
  return world;
}

function stored(world: World): SandboxRecord {
  const [record] = world.disk.values();
  if (record === undefined) throw new Error('no record');
  return record;
}

async function found(world: World): Promise<TestServices> {
  const again = world.services();
  await (await again.recovery.begin()).settled;
  return again;
}

/** As an earlier daemon left it. */
function leave(world: World, patch: Partial<SandboxRecord>): void {
  const record = stored(world);
  world.disk.set(record.id, { ...record, ...patch });
}

describe('a sandbox that is found again', () => {
  it('as it was keeps its record: nothing is written, and it has the epoch that it had', async () => {
    const world = await running();
    const before = stored(world);
    world.failures.set('save', new DomainError('STORAGE_FULL', 'disk full'));
    const again = await found(world);
    expect(again.sandboxes.get('sb')).toBe(before);
    expect(stored(world)).toBe(before);
    expect(world.unsaved).toBe(0);
  });

  it('in another state than it was in is written down', async () => {
    const world = await running();
    leave(world, { state: 'paused' });
    const { epoch } = stored(world);
    const again = await found(world);
    expect(again.sandboxes.get('sb')).toMatchObject({ state: 'running', epoch: epoch + 1 });
    expect(stored(world)).toMatchObject({ state: 'running', epoch: epoch + 1 });
  });

  it('goes on from the epoch that it had', async () => {
    const world = await running();
    const { epoch } = stored(world);
    const again = await found(world);
    await again.sandboxes.pause('sb', CALL);
    expect(stored(world).state).toBe('paused');
    expect(stored(world).epoch).toBeGreaterThan(epoch);
  });

  it.each(['monitor_unreachable', 'agent_unreachable'])('is rid of %s, which the last daemon may have died with', async (name) => {
    const world = await running();
    leave(world, { conditions: [{ name, message: 'no answer', sinceMs: 1 }] });
    const again = await found(world);
    expect(again.sandboxes.get('sb')).toMatchObject({ state: 'running', conditions: [] });
    expect(stored(world)).toMatchObject({ state: 'running', conditions: [] });
  });
});
