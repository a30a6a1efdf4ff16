import type { BindCall, CallFailure, MountCall, MountCalls, TreeRemoval } from '../../src/core/ports/host.ts';

/** Answers system calls by script, in order: a failure, or undefined for success. A call without an answer succeeds. */
export class ScriptedHelper implements MountCalls, TreeRemoval {
  readonly mounted: MountCall[] = [];
  readonly bound: BindCall[] = [];
  readonly unmounted: (readonly string[])[] = [];
  readonly removed: (readonly string[])[] = [];
  readonly #answers: (CallFailure | undefined)[];

  constructor(...answers: (CallFailure | undefined)[]) {
    this.#answers = answers;
  }

  async mount(calls: readonly MountCall[]): Promise<CallFailure | undefined> {
    this.mounted.push(...calls);
    return this.#answers.shift();
  }

  async bind(calls: readonly BindCall[]): Promise<CallFailure | undefined> {
    this.bound.push(...calls);
    return this.#answers.shift();
  }

  async unmount(targets: readonly string[]): Promise<CallFailure | undefined> {
    this.unmounted.push(targets);
    return this.#answers.shift();
  }

  async removeTrees(paths: readonly string[]): Promise<CallFailure | undefined> {
    this.removed.push(paths);
    return this.#answers.shift();
  }
}
