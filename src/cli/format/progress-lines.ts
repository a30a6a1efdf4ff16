import type { OutputStream } from '../host.ts';

export interface Progress {
  readonly step: string;
  readonly detail: string;
  readonly done: bigint;
  /** 0n: not known. */
  readonly total: bigint;
}

const barWidth = 24;

/** Shows how far a long work is: one line redrawn in place on a terminal, one line a step elsewhere. */
export class ProgressLines implements Disposable {
  readonly #stream: OutputStream;
  #step = '';
  #drawn = false;

  constructor(stream: OutputStream) {
    this.#stream = stream;
  }

  show(progress: Progress): void {
    const newStep = progress.step !== this.#step;
    this.#step = progress.step;
    if (this.#stream.isTTY === true) {
      if (newStep && this.#drawn) this.#stream.write('\n');
      const width = this.#stream.columns ?? 80;
      this.#stream.write(`\r\u001b[K${progressText(progress).slice(0, width - 1)}`);
      this.#drawn = true;
    } else if (newStep) {
      this.#stream.write(`${[progress.step, progress.detail].filter((word) => word !== '').join(': ')}\n`);
    }
  }

  /** Leaves the last line standing. */
  end(): void {
    if (this.#drawn) this.#stream.write('\n');
    this.#drawn = false;
  }

  [Symbol.dispose](): void {
    this.end();
  }
}

/** "kernel [########----------------]  33 % linux-image" */
export function progressText({ step, detail, done, total }: Progress): string {
  if (total === 0n) return [step, detail].filter((word) => word !== '').join(' ');
  const share = Math.min(1, Number(done) / Number(total));
  const filled = Math.round(share * barWidth);
  const bar = `[${'#'.repeat(filled)}${'-'.repeat(barWidth - filled)}]`;
  return `${step} ${bar} ${String(Math.floor(share * 100)).padStart(3)} % ${detail}`.trimEnd();
}
