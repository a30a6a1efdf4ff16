/** Lets one loop sleep until somebody has news for it. News that comes while it is awake is not lost. */
export class Wakeup {
  #pending = false;
  #resolve: (() => void) | undefined;

  notify(): void {
    this.#pending = true;
    this.#resolve?.();
  }

  /** Resolves at the next `notify`, or at once when there was one since the last wait. */
  async wait(): Promise<void> {
    if (!this.#pending) await new Promise<void>((resolve) => { this.#resolve = resolve; });
    this.#pending = false;
    this.#resolve = undefined;
  }
}
