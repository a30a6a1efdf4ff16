import type { WaitOptions } from './host.ts';

export type OutputName = 'stdout' | 'stderr';

export type LogEvent =
  | { readonly kind: 'data'; readonly stream: OutputName; readonly offset: bigint; readonly data: Uint8Array; readonly atMs: number }
  | { readonly kind: 'lost'; readonly stream: OutputName; readonly from: bigint; readonly to: bigint };

export interface LogPosition {
  readonly stdout: bigint;
  readonly stderr: bigint;
}

export interface LogReadOptions extends WaitOptions {
  /** From these offsets on (`lost` first when they are not kept any more); undefined: from the oldest kept. */
  readonly from?: LogPosition | undefined;
  /** The last so many lines of both streams together; applies when `from` is undefined. */
  readonly tail?: number | undefined;
  readonly sinceMs?: number | undefined;
  /** Go on with what comes until the log is closed. */
  readonly follow: boolean;
}

/** The rotated log of one container on the host: text lines that a person can read, from which the exact bytes and offsets come back. */
export interface ContainerLog {
  readonly path: string;
  /** Where the next byte of each stream goes; after a restart, as far as the files reach. */
  readonly end: LogPosition;
  /** Appends in order; resolves when the bytes are in the file. STORAGE_FULL keeps nothing of this call and may be tried again. */
  append(stream: OutputName, offset: bigint, data: Uint8Array, atMs: number): Promise<void>;
  /** A hole: bytes up to `to` never came. */
  skip(stream: OutputName, to: bigint): Promise<void>;
  read(options: LogReadOptions): AsyncIterable<LogEvent>;
  /** No more bytes will come: ends followers after the last byte. */
  finish(): Promise<void>;
  close(): Promise<void>;
}

export interface LogStore {
  /** Opens or makes the log in a directory. Idempotent after a crash: a torn last line is cut off. */
  open(directory: string): Promise<ContainerLog>;
}
