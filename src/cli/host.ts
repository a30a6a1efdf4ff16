import type { Readable, Writable } from 'node:stream';
import type { ProxiedSignal } from './exit-codes.ts';

/** Standard input: a terminal, a pipe, a file or a test's stream. */
export type InputStream = Readable & { readonly isTTY?: boolean; setRawMode?(raw: boolean): unknown };

/** Standard output or error. `columns` and `rows` are there when it is a terminal. */
export type OutputStream = Writable & { readonly isTTY?: boolean; readonly columns?: number; readonly rows?: number };

export type HostSignal = ProxiedSignal | 'SIGWINCH';

export interface Clock {
  now(): Date;
  /** Resolves after `ms`; rejects with the signal's reason when it aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** What the command line has of the machine it runs on; tests bring their own. */
export interface CliHost {
  readonly stdin: InputStream;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  /** A fresh id for a request, unique for all time. */
  newId(): string;
  /** While any listener stands, the signal does not end the process. */
  onSignal(signal: HostSignal, listener: () => void): Disposable;
  /** Runs synchronously when the process ends in any way but SIGKILL. */
  onExit(listener: () => void): Disposable;
  /** Makes the terminal on standard input show output as it is written, line feeds too; leaving raw mode undoes it. */
  passOutputThrough(): void;
  /** Ends the process at once, with whatever is still under way. */
  endNow(exitCode: number): void;
}
