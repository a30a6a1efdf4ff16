import { describe, expect, it } from 'vitest';
import { sandboxSpec } from '../../../fakes/records.ts';
import { World, type TestServices } from '../../../fakes/world.ts';

const CALL = { requestId: '' };

/** Two sandboxes, `a` and `b`, whose ids differ and end in the same four digits. */
async function alike(): Promise<{ readonly services: TestServices; readonly ids: readonly string[] }> {
  const world = new World();
  const services = world.services();
  const first = (await services.sandboxes.create(sandboxSpec({ name: 'a' }), CALL)).value.id;
  // Ids of this world are counted: the one before the next with the same end is used up here.
  const before = (Number.parseInt(first.slice(-4), 16) - 1).toString(16).padStart(4, '0');
  while (!world.nextId().endsWith(before));
  const second = (await services.sandboxes.create(sandboxSpec({ name: 'b' }), CALL)).value.id;
  return { services, ids: [first, second] };
}

describe('the end of an id', () => {
  it('that is the end of several is refused with all of them, and more digits tell them apart', async () => {
    const { services, ids } = await alike();
    const [first = '', second = ''] = ids;
    const end = first.slice(-4);
    expect([second.slice(-4), second === first]).toEqual([end, false]);
    expect(() => services.sandboxes.get(end)).toThrow(expect.objectContaining({
      reason: 'AMBIGUOUS_ID',
      message: `"${end}" is the end of 2 sandbox ids: ${first.slice(-10)}, ${second.slice(-10)}`,
      details: expect.objectContaining({ remedy: 'give more digits of the id' }) as unknown,
    }) as Error);
    expect(services.sandboxes.get(second.slice(-10)).name).toBe('b');
  });

  it('is no id when it has fewer than four digits or others than hex', async () => {
    const { services, ids } = await alike();
    const [first = ''] = ids;
    for (const ref of [first.slice(-3), `${first.slice(-10)}g`, '']) expect(() => services.sandboxes.get(ref)).toThrow(expect.objectContaining({ reason: 'SANDBOX_NOT_FOUND' }) as Error);
  });
});
