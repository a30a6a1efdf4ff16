import { raceSignal } from '../../base/abort.ts';

/**
 * The image tool and the sweep of its store exclude each other. A pull may last for hours, so a sweep is not waited for: it is done when the last tool
 * has ended, and then in any case: whatever became of a pull, its archives or its layers may be needed by none. A tool waits for the sweep under way,
 * which takes moments.
 */
export class ImageTurns {
  readonly #sweep: () => Promise<number>;
  #tools = 0;
  /** How many sweeps were asked for, and up to which of them it is done. */
  #asked = 0;
  #swept = 0;
  #sweeping: Promise<number> | undefined;

  /** `sweep` answers the bytes that it freed. Never rejects. */
  constructor(sweep: () => Promise<number>) {
    this.#sweep = sweep;
  }

  /** A tool begins; dispose of the result when all that it made is written down. */
  async begin(signal?: AbortSignal): Promise<Disposable> {
    while (this.#sweeping !== undefined) await raceSignal(this.#sweeping, signal);
    this.#tools += 1;
    let over = false;
    return {
      [Symbol.dispose]: () => {
        if (over) return;
        over = true;
        this.#tools -= 1;
        if (this.#tools === 0) void this.sweep();
      },
    };
  }

  /** Whether an image tool of ours is at work. */
  get busy(): boolean {
    return this.#tools > 0;
  }

  /** Sweeps now, or has it done later and answers 0. */
  async sweep(): Promise<number> {
    this.#asked += 1;
    const turn = this.#asked;
    while (this.#sweeping !== undefined) await this.#sweeping;
    // Another one has done it meanwhile, and after it was asked for.
    if (this.#swept >= turn || this.#tools > 0) return 0;
    this.#swept = this.#asked;
    this.#sweeping = this.#sweep().finally(() => { this.#sweeping = undefined; });
    return await this.#sweeping;
  }
}
