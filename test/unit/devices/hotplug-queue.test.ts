import { describe, expect, it } from 'vitest';
import { deferred } from '../../../src/base/abort.ts';
import { SerialHotplugQueue } from '../../../src/devices/hotplug-queue.ts';

const GONE = new Error('the caller went away');

/** A queue whose first change is under way until it is let go. */
function busy(): { queue: SerialHotplugQueue; order: string[]; letGo: () => void; change: (subject: string, verb?: string, spec?: string) => Parameters<SerialHotplugQueue['submit']>[0] } {
  const queue = new SerialHotplugQueue();
  const order: string[] = [];
  const gate = deferred<undefined>();
  void queue.submit({ subject: 'first', verb: 'attach', spec: '', work: async () => { await gate.promise; } });
  const change = (subject: string, verb = 'attach', spec = ''): Parameters<SerialHotplugQueue['submit']>[0] => ({ subject, verb, spec, work: async () => { order.push(`${verb} ${subject}`); return `${verb} ${subject} ${order.length}`; } });
  return { queue, order, letGo: () => { gate.resolve(undefined); }, change };
}

describe('the hotplug queue', () => {
  it('makes one change at a time, in the order of asking, also after a failure', async () => {
    const { queue, order, letGo, change } = busy();
    const failed = queue.submit({ subject: 'x', verb: 'attach', spec: '', work: async () => { order.push('failed'); throw new Error('no'); } });
    const all = [queue.submit(change('a')), queue.submit(change('b')), queue.submit(change('a', 'detach'))];
    expect(order).toEqual([]);
    letGo();
    await expect(failed).rejects.toThrow('no');
    await Promise.all(all);
    expect(order).toEqual(['failed', 'attach a', 'attach b', 'detach a']);
  });

  it('lets a second asker join the same change, and refuses another one of the same name', async () => {
    const { queue, order, letGo, change } = busy();
    const [one, two] = [queue.submit(change('a')), queue.submit(change('a'))];
    await expect(queue.submit(change('a', 'attach', 'other'))).rejects.toMatchObject({ reason: 'NAME_IN_USE' });
    letGo();
    expect(await one).toBe(await two);
    expect(order).toEqual(['attach a']);
  });

  it('does not let an attach join one that a detach follows', async () => {
    const { queue, order, letGo, change } = busy();
    const all = [queue.submit(change('a')), queue.submit(change('a', 'detach')), queue.submit(change('a'))];
    letGo();
    await Promise.all(all);
    expect(order).toEqual(['attach a', 'detach a', 'attach a']);
  });

  it('takes out what waits when its last caller goes', async () => {
    const { queue, order, letGo, change } = busy();
    const [one, two] = [new AbortController(), new AbortController()];
    const calls = [queue.submit(change('a'), { signal: one.signal }), queue.submit(change('a'), { signal: two.signal }), queue.submit(change('b'))];
    one.abort(GONE);
    await expect(calls[0]).rejects.toBe(GONE);
    two.abort(GONE);
    await expect(calls[1]).rejects.toBe(GONE);
    letGo();
    await calls[2];
    expect(order).toEqual(['attach b']);
  });

  it('lets what has begun go on when its caller goes', async () => {
    const queue = new SerialHotplugQueue();
    const gate = deferred<undefined>();
    let over = false;
    const caller = new AbortController();
    const call = queue.submit({ subject: 'a', verb: 'attach', spec: '', work: async () => { await gate.promise; over = true; } }, { signal: caller.signal });
    caller.abort(GONE);
    await expect(call).rejects.toBe(GONE);
    gate.resolve(undefined);
    await queue.submit({ subject: 'b', verb: 'attach', spec: '', work: async () => undefined });
    expect(over).toBe(true);
  });
});
