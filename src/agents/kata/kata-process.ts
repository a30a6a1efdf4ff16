import type { Deferred } from '../../base/abort.ts';
import { deferred, raceSignal } from '../../base/abort.ts';
import { DomainError } from '../../core/model/errors.ts';
import type { GuestExit, OutputEvent } from '../../core/ports/agent.ts';
import type { WaitOptions } from '../../core/ports/host.ts';
import { StreamReader } from './stream-reader.ts';

type StreamName = 'stdout' | 'stderr';
type Offsets = Readonly<Record<StreamName, bigint>>;

export interface KataProcessCalls {
  /** The next bytes of a stream; none at its end. */
  readonly read: (stream: StreamName) => Promise<Uint8Array>;
  /** Resolves with the exit once the process has ended. Throws unread output away. */
  readonly wait: () => Promise<GuestExit>;
}

export interface KataProcessOptions {
  /** With a terminal there is one stream: two readers would split it. */
  readonly terminal: boolean;
  /** False when it was started over an earlier connection: an answer with its output may have been lost with that. */
  readonly ours: boolean;
}

/**
 * A process's output under an official agent. Reads both streams to their ends and only then waits, because waiting discards what was not read.
 * Reading goes on without a listener, up to the window, so that no answer that is under way is ever lost to an abort.
 */
export class KataProcess {
  readonly #calls: KataProcessCalls;
  readonly #options: KataProcessOptions;
  #streams: Readonly<Record<StreamName, StreamReader>> | undefined;
  #exit: GuestExit | undefined;
  #failure: Error | undefined;
  #change: Deferred<undefined> = deferred<undefined>();
  #reader = 0;

  constructor(calls: KataProcessCalls, options: KataProcessOptions) {
    this.#calls = calls;
    this.#options = options;
  }

  /** As GuestAgent.output. A second one ends the first. */
  async *output(from: Offsets, options: WaitOptions): AsyncGenerator<OutputEvent, void> {
    const reader = (this.#reader += 1);
    if (this.#streams === undefined && !this.#options.ours) yield* unknownLoss(from);
    this.#streams ??= this.#start(from);
    const at = { stdout: from.stdout, stderr: from.stderr };
    for (const name of ['stdout', 'stderr'] as const) this.#mustKeep(name, at[name]);
    this.ack(from);
    for (;;) {
      if (reader !== this.#reader) throw new DomainError('AGENT_REFUSED', 'another reader took the output over');
      const event = this.#nextOutput(at);
      if (event !== undefined) {
        yield event;
      } else if (this.#exit !== undefined) {
        yield { kind: 'exit', exit: this.#exit };
        return;
      } else if (this.#failure !== undefined) {
        throw this.#failure;
      } else {
        await raceSignal(this.#change.promise, options.signal);
      }
    }
  }

  ack(offsets: Offsets): void {
    this.#streams?.stdout.ack(offsets.stdout);
    this.#streams?.stderr.ack(offsets.stderr);
  }

  #start(from: Offsets): Readonly<Record<StreamName, StreamReader>> {
    const changed = (): void => { this.#changed(); };
    const none = async (): Promise<Uint8Array> => new Uint8Array(0);
    const stdout = new StreamReader(from.stdout, () => this.#calls.read('stdout'), changed);
    const stderr = new StreamReader(from.stderr, this.#options.terminal ? none : () => this.#calls.read('stderr'), changed);
    void this.#run(stdout, stderr);
    return { stdout, stderr };
  }

  /** Never rejects. */
  async #run(stdout: StreamReader, stderr: StreamReader): Promise<void> {
    try {
      await Promise.all([stdout.run(), stderr.run()]);
      const failure = stdout.failure ?? stderr.failure;
      if (failure !== undefined) throw failure;
      this.#exit = await this.#calls.wait();
    } catch (error) {
      this.#failure = error instanceof Error ? error : new Error(String(error));
    }
    this.#changed();
  }

  #nextOutput(at: Record<StreamName, bigint>): OutputEvent | undefined {
    for (const name of ['stdout', 'stderr'] as const) {
      const piece = this.#streams?.[name].next(at[name]);
      if (piece === undefined) continue;
      at[name] = piece.offset + BigInt(piece.data.length);
      return { kind: name, offset: piece.offset, data: piece.data };
    }
    return undefined;
  }

  #mustKeep(name: StreamName, offset: bigint): void {
    const stream = this.#streams?.[name];
    if (stream === undefined || (offset >= stream.kept && offset <= stream.reached)) return;
    throw new DomainError('OFFSET_OUT_OF_RANGE', `${name} is kept from ${stream.kept.toString()} to ${stream.reached.toString()}, not at ${offset.toString()}`);
  }

  #changed(): void {
    const change = this.#change;
    this.#change = deferred<undefined>();
    change.resolve(undefined);
  }
}

/** An answer that was under way when the earlier connection ended is gone with bytes that nobody counted: at most 64 KiB, mostly none. */
function* unknownLoss(from: Offsets): Generator<OutputEvent, void> {
  yield { kind: 'lost', stream: 'stdout', from: from.stdout, to: from.stdout };
  yield { kind: 'lost', stream: 'stderr', from: from.stderr, to: from.stderr };
}
