import { raceSignal } from '../../base/abort.ts';

/**
 * The image tool and the sweep of its store exclude each other. A pull may last for hours, so a sweep is not waited for: it is done when the last tool
 * has ended; a tool waits for the sweep under way, which takes moments.
 */
export class ImageTurns {
  readonly #sweep: () => Promise<number>;
  #tools = 0;
  #wanted = false;
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
        if (this.#wanted) void this.sweep();
      },
    };
  }

  /** Sweeps now, or has it done later and answers 0. */
  async sweep(): Promise<number> {
    this.#wanted = true;
    while (this.#sweeping !== undefined) await this.#sweeping;
    // Another one has done it meanwhile, and after it was asked for.
    if (!this.#wanted || this.#tools > 0) return 0;
    this.#wanted = false;
    this.#sweeping = this.#sweep().finally(() => { this.#sweeping = undefined; });
    return await this.#sweeping;
  }
}
