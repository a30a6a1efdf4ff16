import { describe, expect, it } from 'vitest';
import { UndoStack } from '../../../src/base/async-stack.ts';

describe('UndoStack', () => {
  it('runs the steps last first, each to its end before the next', async () => {
    const seen: string[] = [];
    const stack = new UndoStack();
    stack.defer(() => { seen.push('first'); });
    stack.defer(async () => {
      await Promise.resolve();
      seen.push('second');
    });
    stack.use({
      [Symbol.dispose]: () => {
        seen.push('third');
      },
    });
    stack.use({ [Symbol.asyncDispose]: async () => { seen.push('fourth'); } });
    await stack[Symbol.asyncDispose]();
    expect(seen).toEqual(['fourth', 'third', 'second', 'first']);
    expect(stack.disposed).toBe(true);
  });

  it('lets null and undefined pass', () => {
    const stack = new UndoStack();
    expect(stack.use(null)).toBeNull();
    const nothing: Disposable | undefined = undefined;
    expect(stack.use<Disposable | undefined>(nothing)).toBe(nothing);
    expect(stack.size).toBe(0);
  });

  it('runs every step although some fail, and combines the errors in order', async () => {
    const seen: string[] = [];
    const stack = new UndoStack();
    stack.defer(() => { seen.push('ran'); });
    stack.defer(() => Promise.reject(new Error('late')));
    stack.defer(() => { throw new Error('early'); });
    const error: unknown = await stack[Symbol.asyncDispose]().catch((e: unknown) => e);
    expect(error).toBeInstanceOf(AggregateError);
    expect((error as AggregateError).errors.map(String)).toEqual(['Error: early', 'Error: late']);
    expect(seen).toEqual(['ran']);
  });

  it('throws a lone error as it is', async () => {
    const stack = new UndoStack();
    const lone = new Error('lone');
    stack.defer(() => { throw lone; });
    await expect(stack[Symbol.asyncDispose]()).rejects.toBe(lone);
  });

  it('undoes nothing after a move; the new stack does', async () => {
    const seen: string[] = [];
    const stack = new UndoStack();
    stack.defer(() => { seen.push('undone'); });
    const moved = stack.move();
    await stack[Symbol.asyncDispose]();
    expect(seen).toEqual([]);
    expect(() => { stack.defer(() => {}); }).toThrow(/moved/);
    expect(() => stack.move()).toThrow(/open/);
    await moved[Symbol.asyncDispose]();
    expect(seen).toEqual(['undone']);
  });

  it('still runs a step that is added while it unwinds', async () => {
    const seen: string[] = [];
    const stack = new UndoStack();
    stack.defer(() => { seen.push('first'); });
    stack.defer(() => { stack.defer(() => { seen.push('added late'); }); });
    await stack[Symbol.asyncDispose]();
    expect(seen).toEqual(['added late', 'first']);
    await stack[Symbol.asyncDispose]();
    expect(seen).toHaveLength(2);
  });

  it('works with await using: body first, then the steps', async () => {
    const seen: string[] = [];
    const run = async (): Promise<void> => {
      await using stack = new UndoStack();
      stack.defer(() => { seen.push('undone'); });
      seen.push('body');
      throw new Error('body failed');
    };
    await expect(run()).rejects.toThrow('body failed');
    expect(seen).toEqual(['body', 'undone']);
  });
});
