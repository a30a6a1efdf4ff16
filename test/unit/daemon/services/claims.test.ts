import { describe, expect, it } from 'vitest';
import { DomainError } from '../../../../src/core/model/errors.ts';
import { claimsOf, type Claim } from '../../../../src/daemon/services/claims.ts';
import { retryFailed } from '../../../../src/daemon/services/retry-failed.ts';
import { settle } from '../../../fakes/manual-clock.ts';
import { containerSpec, sandboxSpec } from '../../../fakes/records.ts';
import { World, type TestServices } from '../../../fakes/world.ts';

const CALL = { requestId: '' };

function claims({ registry }: TestServices): readonly Claim[] {
  return [...claimsOf(registry).values()];
}

/** A sandbox whose create failed and whose share resists its removal. */
async function stuck(world: World): Promise<TestServices> {
  const services = world.services();
  world.failures.set('guest', new DomainError('AGENT_REFUSED', 'broken'));
  world.failures.set('share-remove', new Error('busy'));
  await services.sandboxes.create(sandboxSpec({ name: 'sb' }), CALL).catch(() => undefined);
  return services;
}

describe('a record claims', () => {
  it('anything while it is written for the first time', async () => {
    const world = new World();
    const services = world.services();
    const release = world.hold('save');
    const creating = services.sandboxes.create(sandboxSpec(), CALL);
    await settle();
    expect(claims(services)).toMatchObject([{ standing: 'moving' }]);
    release();
    await creating;
    expect(claims(services)).toMatchObject([{ standing: 'live' }]);
  });

  it('what it lists, and its containers, while its VM lives', async () => {
    const world = new World();
    const services = world.services();
    const { value } = await services.sandboxes.create(sandboxSpec(), CALL);
    const { value: { container } } = await services.containers.create(value.id, containerSpec(), CALL);
    const [claim] = claims(services);
    expect(claim).toMatchObject({ id: value.id, standing: 'live', resources: value.resources });
    expect([...(claim?.containerIds ?? [])]).toEqual([container.id]);
    expect(claimsOf(services.registry).has(value.id.slice(-10))).toBe(true);
  });

  it('anything before recovery is over, what lasts once it is stopped, nothing once it is deleted', async () => {
    const world = new World();
    const before = world.services();
    const { value } = await before.sandboxes.create(sandboxSpec(), CALL);
    const services = world.services();
    const { settled } = await services.recovery.begin();
    expect(claims(services)).toMatchObject([{ standing: 'moving' }]);
    await settled;
    expect(claims(services)).toMatchObject([{ standing: 'live' }]);
    await services.sandboxes.stop(value.id, { force: true, graceMs: undefined }, CALL);
    expect(claims(services)).toMatchObject([{ standing: 'stopped' }]);
    await services.sandboxes.delete(value.id, { force: false }, CALL);
    expect(claims(services)).toEqual([]);
  });

  it('anything when it can not be read', () => {
    const services = new World().services();
    services.registry.unreadable.set('0190f4a8b7c27def8a12345678abcdef', 'of version 99');
    expect(claims(services)).toMatchObject([{ standing: 'unreadable', detail: 'its record can\'t be read: of version 99' }]);
  });

  it('what is left, when it could not be removed', async () => {
    expect(claims(await stuck(new World()))).toMatchObject([{ standing: 'failed' }]);
  });
});

describe('a failed sandbox that is deleted again', () => {
  const again = (services: TestServices): ReturnType<typeof retryFailed> => retryFailed(services.registry, services.sandboxes, (id) => `/lib/${id}`);

  it('is gone when nothing resists any more', async () => {
    const world = new World();
    const services = await stuck(world);
    world.failures.clear();
    expect(await again(services)).toEqual([]);
    expect(world.disk.size).toBe(0);
  });

  it('is told with the reason when it still resists', async () => {
    const world = new World();
    const services = await stuck(world);
    expect(await again(services)).toMatchObject([{ resource: { kind: 'directory', state: 'owned' }, reason: expect.stringContaining('busy') as string }]);
    expect(claims(services)).toMatchObject([{ standing: 'failed' }]);
  });
});
