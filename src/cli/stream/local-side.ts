import type { ExecStarted } from '../../gen/vivarium/v1/container.ts';
import { DetachMatcher } from './detach-keys.ts';
import type { Outbox } from './outbox.ts';
import type { SessionEnd, SessionOptions } from './session-options.ts';
import { SignalForwarder } from './signal-forwarder.ts';
import { StdinSource } from './stdin-source.ts';
import type { StdinWindow } from './stdin-window.ts';
import { rawMode, terminalSize } from './terminal.ts';

/** Our end of a session: the keyboard, the terminal's size and the signals, from the moment the process has started. */
export class LocalSide implements Disposable {
  readonly #options: SessionOptions;
  readonly #outbox: Outbox;
  readonly #window: StdinWindow;
  readonly #leave: (end: SessionEnd) => void;
  readonly #held: Disposable[] = [];
  #source: StdinSource | undefined;
  #tty = false;
  #raw = false;

  constructor(options: SessionOptions, outbox: Outbox, window: StdinWindow, leave: (end: SessionEnd) => void) {
    this.#options = options;
    this.#outbox = outbox;
    this.#window = window;
    this.#leave = leave;
  }

  /** The process runs: from now on it gets what is typed and what is signalled. */
  attach(started: ExecStarted): void {
    this.#tty = started.tty;
    this.#forwardSignals();
    if (started.tty) this.#followSize();
    if (this.#options.stdin) this.#readStdin();
  }

  /** The daemon took stdin: there is room to read more. */
  stdinTaken(): void {
    this.#source?.fill();
  }

  /** The stream stands again: tell it the size, which may have changed meanwhile. */
  sendSize(): void {
    const size = this.#tty ? terminalSize(this.#options.host) : undefined;
    if (size !== undefined) this.#outbox.resize(size);
  }

  /** A line for the user, also while the terminal is raw. */
  say(text: string): void {
    this.#options.host.stderr.write(this.#raw ? `\r${text}\r\n` : `${text}\n`);
  }

  [Symbol.dispose](): void {
    for (const held of this.#held.splice(0).reverse()) held[Symbol.dispose]();
    this.#raw = false;
  }

  #forwardSignals(): void {
    if (!this.#options.sigProxy) return;
    const { interrupts, host } = this.#options;
    const forwarder = new SignalForwarder(
      host.clock,
      (signal) => { this.#outbox.signal(signal); },
      (signal) => { this.#leave({ kind: 'left', signal }); },
    );
    this.#held.push(interrupts.redirect((signal) => { forwarder.received(signal); }));
  }

  #followSize(): void {
    this.#held.push(this.#options.host.onSignal('SIGWINCH', () => { this.sendSize(); }));
    this.sendSize();
  }

  #readStdin(): void {
    const { host, detachKeys } = this.#options;
    const keyboard = this.#tty && host.stdin.isTTY === true;
    if (keyboard) {
      this.#held.push(rawMode(host));
      this.#raw = true;
    }
    const source = new StdinSource(host.stdin, this.#window, new DetachMatcher(keyboard ? detachKeys : new Uint8Array()), {
      onInput: () => { this.#outbox.wake(); },
      onDetach: () => { this.#leave({ kind: 'detached' }); },
    });
    this.#held.push(source);
    this.#source = source;
    source.start();
  }
}
