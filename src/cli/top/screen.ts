import type { CliHost } from '../host.ts';
import { Interrupted } from '../interrupts.ts';
import { rawMode } from '../stream/terminal.ts';

// ECMA-48 and xterm: the alternate screen, the cursor, its home, erasing to the end of the line and of the screen.
const enter = '\u001b[?1049h\u001b[?25l';
const leave = '\u001b[?25h\u001b[?1049l';
const home = '\u001b[H';
const eraseLine = '\u001b[K';
const eraseBelow = '\u001b[J';

const ctrlC = 0x03;
const usualSize = { columns: 80, rows: 24 };

/** A page that is drawn over itself, on a screen of its own. What the terminal showed is back when it is disposed of, also after a crash. */
export class Screen implements Disposable {
  readonly #host: CliHost;
  readonly #held: Disposable[] = [];
  readonly #left = new AbortController();
  #page = '';

  constructor(host: CliHost) {
    this.#host = host;
    host.stdout.write(enter);
    const restore = (): void => { host.stdout.write(leave); };
    this.#held.push(host.onExit(restore), { [Symbol.dispose]: restore }, host.onSignal('SIGWINCH', () => { this.draw(this.#page); }));
    if (host.stdin.isTTY === true) this.#hearKeys();
  }

  /** Aborts when q is typed, without a reason worth telling, or Ctrl-C, with an `Interrupted`. */
  get left(): AbortSignal {
    return this.#left.signal;
  }

  /** Shows as much of the page as fits. */
  draw(page: string): void {
    this.#page = page;
    const { columns, rows } = { columns: this.#host.stdout.columns ?? usualSize.columns, rows: this.#host.stdout.rows ?? usualSize.rows };
    this.#host.stdout.write(`${home}${fitPage(page, columns, rows).join(`${eraseLine}\r\n`)}${eraseLine}${eraseBelow}`);
  }

  [Symbol.dispose](): void {
    for (const held of this.#held.splice(0).reverse()) held[Symbol.dispose]();
  }

  #hearKeys(): void {
    const { stdin } = this.#host;
    const typed = (keys: Buffer): void => {
      if (keys.includes(ctrlC)) this.#left.abort(new Interrupted('SIGINT'));
      else if (keys.includes('q') || keys.includes('Q')) this.#left.abort();
    };
    this.#held.push(rawMode(this.#host), { [Symbol.dispose]: () => { stdin.off('data', typed).pause(); } });
    stdin.on('data', typed);
  }
}

/** Cuts a page to a screen; the last line tells how many are not shown. */
export function fitPage(page: string, columns: number, rows: number): string[] {
  const lines = page.replace(/\n$/, '').split('\n');
  const shown = lines.length <= rows ? lines : [...lines.slice(0, Math.max(0, rows - 1)), `… ${lines.length - rows + 1} more`];
  return shown.map((line) => line.slice(0, columns));
}
