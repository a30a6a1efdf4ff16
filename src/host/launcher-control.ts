import { deferred } from '../base/abort.ts';
import type { Deferred } from '../base/abort.ts';
import { LineSplitter, formatJsonLine, parseJsonLine } from '../base/json-lines.ts';
import { DomainError } from '../core/model/errors.ts';
import type { ByteStream, SocketDialer } from '../core/ports/host.ts';
import { parseLauncherFailure, parseLauncherRecord, isObject } from './launcher-record.ts';
import type { LauncherRecord } from './launcher-record.ts';

/** A record fits in 4096 bytes; nothing longer comes from a launcher. */
const MAX_LINE_BYTES = 64 * 1024;

/** One connection to a launcher's control socket. */
export class LauncherControl {
  readonly #stream: ByteStream;
  readonly #lines = new LineSplitter(MAX_LINE_BYTES);
  readonly #answers: Deferred<undefined>[] = [];
  readonly #ended = deferred<LauncherRecord | undefined>();
  #exited: LauncherRecord | undefined;
  #closed = false;

  /** Rejects as SocketDialer.dial does when no launcher listens. */
  static async open(dialer: SocketDialer, path: string): Promise<LauncherControl> {
    return new LauncherControl(await dialer.dial(path, { deadlineMs: 0 }));
  }

  private constructor(stream: ByteStream) {
    this.#stream = stream;
    stream.onClose(() => { this.#close(); });
    stream.onData((chunk) => { this.#read(chunk); });
  }

  /** Resolves when the connection is over: with the last record when the process has exited, with undefined when the launcher is gone. */
  get ended(): Promise<LauncherRecord | undefined> {
    return this.#ended.promise;
  }

  /** Rejects HOST_RESOURCE when the launcher refuses or is gone. */
  async signal(signal: number): Promise<void> {
    if (this.#closed) throw gone();
    const answer = deferred<undefined>();
    this.#answers.push(answer);
    this.#stream.write([Buffer.from(formatJsonLine({ cmd: 'signal', signal }))]);
    await answer.promise;
  }

  close(): void {
    this.#stream.close();
  }

  #read(chunk: Uint8Array): void {
    try {
      for (const line of this.#lines.push(chunk)) this.#take(parseJsonLine(line));
    } catch {
      // Not a launcher's words: this connection is worth nothing; the record and the process table remain.
      this.#stream.close();
    }
  }

  #take(value: unknown): void {
    const record = parseLauncherRecord(value);
    if (record !== undefined) {
      if (record.state === 'exited') this.#exited = record;
      return;
    }
    const failure = parseLauncherFailure(value);
    if (failure !== undefined) this.#answers.shift()?.reject(new DomainError('HOST_RESOURCE', `launcher: ${failure.message}`, { facts: { launcher: failure.code } }));
    else if (isObject(value) && value['ok'] === true) this.#answers.shift()?.resolve(undefined);
  }

  #close(): void {
    this.#closed = true;
    for (const answer of this.#answers.splice(0)) answer.reject(gone());
    this.#ended.resolve(this.#exited);
  }
}

function gone(): DomainError {
  return new DomainError('HOST_RESOURCE', 'the launcher is gone');
}
