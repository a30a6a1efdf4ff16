/** What a build tells of its course. `step` names what begins; `advance` counts within it; `note` is a line by the way. */
export interface Progress {
  step(step: string, detail?: string): void;
  advance(done: number, total: number): void;
  note(text: string): void;
  /** Ends an unfinished bar, so that what is written next starts on a line of its own. */
  close(): void;
}

export type ProgressMode = 'auto' | 'plain' | 'json' | 'none';

/** Where lines go, and whether someone watches. */
export interface ProgressSink {
  write(text: string): void;
  readonly isTerminal: boolean;
  readonly columns: number;
}

export function createProgress(mode: ProgressMode, sink: ProgressSink): Progress {
  if (mode === 'none') return new SilentProgress();
  if (mode === 'json') return new JsonProgress(sink);
  return mode === 'auto' && sink.isTerminal ? new BarProgress(sink) : new PlainProgress(sink);
}

class SilentProgress implements Progress {
  step(): void {}
  advance(): void {}
  note(): void {}
  close(): void {}
}

/** One object a line: {"step","detail"?,"done"?,"total"?} or {"note"}. Counts are bytes for downloads, items elsewhere. */
class JsonProgress implements Progress {
  readonly #sink: ProgressSink;
  #step = '';
  #detail: string | undefined;

  constructor(sink: ProgressSink) {
    this.#sink = sink;
  }

  step(step: string, detail?: string): void {
    this.#step = step;
    this.#detail = detail;
    this.#line({ step, detail });
  }

  advance(done: number, total: number): void {
    this.#line({ step: this.#step, detail: this.#detail, done, total });
  }

  note(text: string): void {
    this.#line({ note: text });
  }

  close(): void {}

  #line(value: Readonly<Record<string, unknown>>): void {
    this.#sink.write(`${JSON.stringify(value)}\n`);
  }
}

class PlainProgress implements Progress {
  readonly #sink: ProgressSink;

  constructor(sink: ProgressSink) {
    this.#sink = sink;
  }

  step(step: string, detail?: string): void {
    this.#sink.write(`${title(step, detail)}\n`);
  }

  advance(): void {}

  note(text: string): void {
    this.#sink.write(`${text}\n`);
  }

  close(): void {}
}

const BAR_WIDTH = 24;

class BarProgress implements Progress {
  readonly #sink: ProgressSink;
  #title = '';
  #open = false;

  constructor(sink: ProgressSink) {
    this.#sink = sink;
  }

  step(step: string, detail?: string): void {
    this.close();
    this.#title = title(step, detail);
    this.#draw(this.#title);
  }

  advance(done: number, total: number): void {
    const share = total > 0 ? Math.min(1, done / total) : 0;
    const filled = Math.round(share * BAR_WIDTH);
    const bar = `[${'#'.repeat(filled)}${'.'.repeat(BAR_WIDTH - filled)}] ${Math.round(share * 100)} %`;
    this.#draw(`${this.#title.slice(0, Math.max(10, this.#sink.columns - BAR_WIDTH - 10))} ${bar}`);
  }

  note(text: string): void {
    this.close();
    this.#sink.write(`${text}\n`);
  }

  close(): void {
    if (this.#open) this.#sink.write('\n');
    this.#open = false;
  }

  #draw(text: string): void {
    this.#sink.write(`\r\u001b[K${text.slice(0, Math.max(10, this.#sink.columns - 1))}`);
    this.#open = true;
  }
}

function title(step: string, detail: string | undefined): string {
  return detail === undefined ? `  ${step}` : `  ${step}: ${detail}`;
}
