import { describe, expect, it } from 'vitest';
import { UnmetGuests } from '../../../../src/daemon/services/unmet-guests.ts';

describe('guests that have not told yet what runs in them', () => {
  it('are waited for until what is looked for is found', async () => {
    const guests = new UnmetGuests();
    for (const id of ['a', 'b', 'paused']) guests.expect(id);
    const execs = new Set<string>();
    const found = guests.until(() => execs.has('x'), {});
    guests.met('a');
    execs.add('x');
    guests.met('b');
    await expect(found).resolves.toBeUndefined();
  });

  it('are no more waited for when all have told, or the caller left', async () => {
    const guests = new UnmetGuests();
    await guests.known('never heard of', {});
    guests.expect('a');
    guests.expect('a');
    const all = Promise.all([guests.until(() => false, {}), guests.known('a', {})]);
    const left = new AbortController();
    const given = guests.until(() => false, { signal: left.signal });
    left.abort(new Error('left'));
    await expect(given).rejects.toThrow('left');
    guests.met('a');
    await expect(all).resolves.toHaveLength(2);
  });
});
