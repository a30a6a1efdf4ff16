import { describe, expect, it } from 'vitest';
import { deferred } from '../../../src/base/abort.ts';
import { Mailbox } from '../../../src/base/mailbox.ts';

const fail = (error: unknown): never => { throw error; };

describe('Mailbox', () => {
  it('handles one item at a time, in the order of posting', async () => {
    const seen: string[] = [];
    const box = new Mailbox<string>({
      capacity: 10,
      handle: async (item) => {
        seen.push(`${item} begins`);
        await Promise.resolve();
        seen.push(`${item} ends`);
      },
      onError: fail,
    });
    box.post('a');
    box.post('b');
    await box.idle();
    expect(seen).toEqual(['a begins', 'a ends', 'b begins', 'b ends']);
  });

  it('does not run the handler inside post', () => {
    let ran = false;
    const box = new Mailbox<number>({ capacity: 1, handle: () => { ran = true; }, onError: fail });
    box.post(1);
    expect(ran).toBe(false);
  });

  it('answers full, and takes what must not be lost all the same', async () => {
    const gate = deferred<undefined>();
    const seen: number[] = [];
    const box = new Mailbox<number>({
      capacity: 1,
      handle: async (item) => {
        await gate.promise;
        seen.push(item);
      },
      onError: fail,
    });
    box.post(1);
    await Promise.resolve();
    expect(box.post(2)).toBe('accepted');
    expect(box.post(3)).toBe('full');
    expect(box.post(4, { beyondCapacity: true })).toBe('accepted');
    gate.resolve(undefined);
    await box.idle();
    expect(seen).toEqual([1, 2, 4]);
  });

  it('reports a failed handler with its item and goes on', async () => {
    const errors: string[] = [];
    const seen: number[] = [];
    const box = new Mailbox<number>({
      capacity: 5,
      handle: (item) => {
        if (item === 1) throw new Error('no');
        seen.push(item);
      },
      onError: (error, item) => { errors.push(`${String(error)} at ${item}`); },
    });
    box.post(1);
    box.post(2);
    await box.idle();
    expect(errors).toEqual(['Error: no at 1']);
    expect(seen).toEqual([2]);
  });

  it('close takes nothing more and waits for what was accepted', async () => {
    const seen: number[] = [];
    const box = new Mailbox<number>({ capacity: 5, handle: (item) => { seen.push(item); }, onError: fail });
    box.post(1);
    box.post(2);
    const closed = box.close();
    expect(box.post(3)).toBe('closed');
    await closed;
    expect(seen).toEqual([1, 2]);
    await box.close();
  });
});
