import type { InputStream } from '../host.ts';
import type { DetachMatcher } from './detach-keys.ts';
import type { StdinWindow } from './stdin-window.ts';

export interface StdinEvents {
  /** There is more to send, or the end was reached. */
  onInput(): void;
  onDetach(): void;
}

/** Reads our standard input into the window, never faster than the process takes it. */
export class StdinSource implements Disposable {
  readonly #stdin: InputStream;
  readonly #window: StdinWindow;
  readonly #matcher: DetachMatcher;
  readonly #events: StdinEvents;
  readonly #fill = (): void => { this.fill(); };
  readonly #end = (): void => { this.#ended(); };

  constructor(stdin: InputStream, window: StdinWindow, matcher: DetachMatcher, events: StdinEvents) {
    this.#stdin = stdin;
    this.#window = window;
    this.#matcher = matcher;
    this.#events = events;
  }

  start(): void {
    this.#stdin.on('readable', this.#fill);
    this.#stdin.on('end', this.#end);
    // A terminal that was hung up reads as an error: for the process it is the end of its input.
    this.#stdin.on('error', this.#end);
    if (this.#stdin.readableEnded) this.#ended();
    else this.fill();
  }

  /** Reads as much as the window has room for; called again when room was made. */
  fill(): void {
    while (this.#window.room > 0) {
      const chunk: unknown = this.#stdin.read();
      if (chunk === null) return;
      const { pass, detached } = this.#matcher.feed(typeof chunk === 'string' ? Buffer.from(chunk) : (chunk as Buffer));
      this.#window.push(pass);
      this.#events.onInput();
      if (detached) {
        this.#events.onDetach();
        return;
      }
    }
  }

  [Symbol.dispose](): void {
    this.#stdin.off('readable', this.#fill);
    this.#stdin.off('end', this.#end);
    this.#stdin.off('error', this.#end);
    this.#stdin.pause();
  }

  #ended(): void {
    this.#window.push(this.#matcher.flush());
    this.#window.end();
    this.#events.onInput();
  }
}
