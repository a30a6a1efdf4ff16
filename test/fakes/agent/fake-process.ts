import type { Deferred } from '../../../src/base/abort.ts';
import { deferred } from '../../../src/base/abort.ts';

export type StreamName = 'stdout' | 'stderr';

interface Kept {
  base: number;
  bytes: Buffer;
}

/** A process of a guest that is only played: what its program would write, and what becomes of it. Bytes below an acknowledged offset are freed. */
export class FakeProcess {
  readonly args: readonly string[];
  readonly terminal: boolean;
  readonly stdin: Buffer[] = [];
  stdinAccepted = 0;
  exit: { status: number; oomKilled: boolean } | undefined;
  paused = false;
  size: { rows: number; columns: number } | undefined;
  readonly #streams: Record<StreamName, Kept> = { stdout: { base: 0, bytes: Buffer.alloc(0) }, stderr: { base: 0, bytes: Buffer.alloc(0) } };
  #change: Deferred<undefined> = deferred<undefined>();

  constructor(args: readonly string[], terminal: boolean) {
    this.args = args;
    this.terminal = terminal;
  }

  start(): void {
    const [program = '', ...rest] = this.args;
    const last = rest.at(-1) ?? '';
    if (program === 'echo') this.print('stdout', `${rest.join(' ')}\n`).finish(0);
    else if (program === 'true') this.finish(0);
    else if (program === 'false') this.finish(1);
    else if (program === 'head') this.write('stdout', Buffer.alloc(Number(rest[1]))).finish(0);
    else if (program === 'sh') this.#shell(last);
    // cat and sleep: they wait.
  }

  /** A script of the few that the suites use: `echo WORD`, `echo WORD >&2`, `exit N`, joined by `;`. */
  #shell(script: string): void {
    for (const part of script.split(';').map((text) => text.trim())) {
      const echo = /^echo (\S+)( >&2)?$/.exec(part);
      const exit = /^exit (\d+)$/.exec(part);
      if (echo !== null) this.print(echo[2] === undefined ? 'stdout' : 'stderr', `${echo[1]!}\n`);
      if (exit !== null) this.finish(Number(exit[1]));
    }
    this.finish(0);
  }

  print(stream: StreamName, text: string): this {
    return this.write(stream, Buffer.from(text));
  }

  write(stream: StreamName, bytes: Uint8Array): this {
    const kept = this.#streams[stream];
    kept.bytes = Buffer.concat([kept.bytes, bytes]);
    this.#changed();
    return this;
  }

  finish(status: number, oomKilled = false): void {
    this.exit ??= { status, oomKilled };
    this.#changed();
  }

  /** Accepts bytes at an offset; undefined for a gap. `cat` writes them back. */
  input(offset: number, data: Uint8Array, eof: boolean): number | undefined {
    if (offset > this.stdinAccepted) return undefined;
    const fresh = data.subarray(Math.min(data.length, this.stdinAccepted - offset));
    this.stdinAccepted += fresh.length;
    this.stdin.push(Buffer.from(fresh));
    if (this.args[0] === 'cat') this.write('stdout', fresh);
    if (eof) this.finish(0);
    return this.stdinAccepted;
  }

  written(stream: StreamName): number {
    const kept = this.#streams[stream];
    return kept.base + kept.bytes.length;
  }

  acked(stream: StreamName): number {
    return this.#streams[stream].base;
  }

  read(stream: StreamName, from: number, to: number): Buffer {
    const kept = this.#streams[stream];
    return kept.bytes.subarray(from - kept.base, to - kept.base);
  }

  ack(stream: StreamName, offset: number): void {
    const kept = this.#streams[stream];
    const freed = Math.min(Math.max(0, offset - kept.base), kept.bytes.length);
    kept.base += freed;
    kept.bytes = kept.bytes.subarray(freed);
    this.#changed();
  }

  /** Resolves when something has happened to it since the call. */
  async changed(): Promise<void> {
    await this.#change.promise;
  }

  #changed(): void {
    const change = this.#change;
    this.#change = deferred<undefined>();
    change.resolve(undefined);
  }
}
