import { describe, expect, it } from 'vitest';
import { AsyncQueue } from '../../../src/base/async-queue.ts';

async function collect<T>(queue: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of queue) items.push(item);
  return items;
}

describe('AsyncQueue', () => {
  it('gives the items in order and then the end', async () => {
    const queue = new AsyncQueue<number>(10);
    queue.tryPush(1);
    queue.tryPush(2);
    queue.end();
    expect(queue.tryPush(3)).toBe(false);
    await expect(collect(queue)).resolves.toEqual([1, 2]);
  });

  it('makes the producer wait while it is full', async () => {
    const queue = new AsyncQueue<string>(4, (text) => text.length);
    expect(queue.tryPush('abc')).toBe(true);
    expect(queue.tryPush('de')).toBe(false);
    const pushed = queue.push('de');
    const reader = queue[Symbol.asyncIterator]();
    await expect(reader.next()).resolves.toEqual({ done: false, value: 'abc' });
    await expect(pushed).resolves.toBe(true);
    await expect(reader.next()).resolves.toEqual({ done: false, value: 'de' });
  });

  it('takes one item larger than its capacity', async () => {
    const queue = new AsyncQueue<string>(2, (text) => text.length);
    expect(queue.tryPush('long')).toBe(true);
    expect(queue.tryPush('x')).toBe(false);
    queue.end();
    await expect(collect(queue)).resolves.toEqual(['long']);
  });

  it('gives the waiting items and then the error', async () => {
    const queue = new AsyncQueue<number>(4);
    queue.tryPush(1);
    queue.fail(new Error('broken'));
    const reader = queue[Symbol.asyncIterator]();
    await expect(reader.next()).resolves.toEqual({ done: false, value: 1 });
    await expect(reader.next()).rejects.toThrow('broken');
  });

  it('wakes a waiting consumer at the end', async () => {
    const queue = new AsyncQueue<number>(4);
    const collected = collect(queue);
    queue.end();
    await expect(collected).resolves.toEqual([]);
  });

  it('tells a waiting producer that its consumer left', async () => {
    const queue = new AsyncQueue<number>(1);
    queue.tryPush(1);
    const pushed = queue.push(2);
    await queue[Symbol.asyncIterator]().return?.();
    await expect(pushed).resolves.toBe(false);
  });

  it('a waiting push ends with the signal', async () => {
    const queue = new AsyncQueue<number>(1);
    queue.tryPush(1);
    const source = new AbortController();
    const pushed = queue.push(2, { signal: source.signal });
    source.abort(new Error('gone'));
    await expect(pushed).rejects.toThrow('gone');
  });
});
