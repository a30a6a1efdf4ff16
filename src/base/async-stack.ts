type Undo = () => void | Promise<void>;

/**
 * Undo steps, run last-in-first-out. Acquire a thing, push its undo at once; on success `move` the steps to the new owner.
 *
 * Node 20 has no AsyncDisposableStack, although the type library knows the name; this class has another name so that the two are never mixed up.
 *
 * ```ts
 * await using stack = new UndoStack();
 * const socket = stack.use(await dial());
 * stack.defer(() => remove(path));
 * return { socket, teardown: stack.move() };
 * ```
 */
export class UndoStack implements AsyncDisposable {
  #steps: Undo[] = [];
  #state: 'open' | 'unwinding' | 'done' = 'open';

  /** True once nothing can be added any more: moved, or unwound to the end. */
  get disposed(): boolean {
    return this.#state === 'done';
  }

  get size(): number {
    return this.#steps.length;
  }

  /** Adds a step. While the stack unwinds, it is still run: an acquisition that ends late is not leaked. Throws after the end. */
  defer(undo: Undo): void {
    if (this.#state === 'done') throw new Error('undo step added to a stack that was moved or has been unwound');
    this.#steps.push(undo);
  }

  /** Adds a disposable thing and gives it back; null and undefined pass through. */
  use<T extends Disposable | AsyncDisposable | null | undefined>(value: T): T {
    const thing: Disposable | AsyncDisposable | null | undefined = value;
    if (thing === null || thing === undefined) return value;
    if (Symbol.asyncDispose in thing) this.defer(() => thing[Symbol.asyncDispose]() as Promise<void>);
    else this.defer(() => { thing[Symbol.dispose](); });
    return value;
  }

  /** All steps in a new stack; this one is then done and undoes nothing. */
  move(): UndoStack {
    if (this.#state !== 'open') throw new Error('only an open stack can be moved');
    const moved = new UndoStack();
    moved.#steps = this.#steps;
    this.#steps = [];
    this.#state = 'done';
    return moved;
  }

  /**
   * Runs every step, last first, each awaited before the next. A failed step does not stop the others.
   * Throws the one error, or an AggregateError of all in the order they happened. A second call does nothing.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state !== 'open') return;
    this.#state = 'unwinding';
    const errors: unknown[] = [];
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        await step();
      } catch (error) {
        errors.push(error);
      }
    }
    this.#state = 'done';
    if (errors.length === 1) throw errors[0];
    if (errors.length > 1) throw new AggregateError(errors, `${errors.length} undo steps failed`);
  }
}
