import { deferred, type Deferred } from '../../base/abort.ts';
import { DomainError, toDomainError } from '../../core/model/errors.ts';
import type { ExitStatus, Phase } from '../../core/model/outcome.ts';
import type { TtySize } from '../../core/model/sandbox-spec.ts';
import type { GuestAgent, OutputEvent, ProcessKey } from '../../core/ports/agent.ts';
import type { WaitOptions } from '../../core/ports/host.ts';
import type { ContainerUnit } from './container-unit.ts';
import type { Offsets, ProcessStream, StreamEvent } from './facade.ts';
import { exitStatus } from './process-pump.ts';
import { signalNumber } from './signals.ts';
import { StdinWriter } from './stdin-writer.ts';

/** An exec without a client holds its output (1 MiB a stream, in the guest) for so long; then it runs on and what it writes is lost. */
const HOLD_MS = 60_000;
const LOST_EXIT_CODE = 255;

export interface ExecSessionOptions {
  readonly container: ContainerUnit;
  readonly execId: string;
  readonly tty: boolean;
  readonly onEnd: () => void;
}

/** A further process in a container, across the clients that come and go. */
export class ExecSession {
  readonly container: ContainerUnit;
  readonly execId: string;
  readonly tty: boolean;
  readonly stdin: StdinWriter;
  readonly #key: ProcessKey;
  readonly #onEnd: () => void;
  #acked: Offsets = { stdout: 0n, stderr: 0n };
  #reader: AbortController | undefined;
  #exit: ExitStatus | undefined;
  #drained: Deferred<undefined> | undefined;
  #timer: Disposable | undefined;

  constructor(options: ExecSessionOptions) {
    this.container = options.container;
    this.execId = options.execId;
    this.tty = options.tty;
    this.#onEnd = options.onEnd;
    this.#key = { containerId: options.container.id, execId: options.execId };
    this.stdin = new StdinWriter(() => this.container.sandbox.agent, this.#key);
  }

  /** Found in a guest after a restart of the daemon: where its streams stand. */
  found(acked: Offsets, stdinAccepted: bigint, exit: ExitStatus | undefined): void {
    this.#acked = acked;
    if (exit !== undefined) this.#ended(exit);
    this.stdin.reset(stdinAccepted);
    this.#leave();
  }

  /** A client takes hold; one that held it before is let go. */
  async open(from: Offsets, phases: readonly Phase[]): Promise<ProcessStream> {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    this.#reader?.abort(new DomainError('CANCELLED', 'another client has taken over this exec', { containerId: this.container.id, remedy: 'resume it if you want it back' }));
    await this.#drained?.promise;
    const reader = new AbortController();
    this.#reader = reader;
    return {
      execId: this.execId,
      containerId: this.container.id,
      sandboxId: this.container.sandbox.id,
      tty: this.tty,
      offsets: from,
      stdinOffset: this.stdin.accepted,
      phases,
      mode: this.container.sandbox.record.mode,
      output: this.#output(from, reader.signal),
      ack: (offsets) => { this.#ack(offsets); },
      writeStdin: async (offset, data) => this.stdin.write(offset, data, reader.signal),
      closeStdin: async () => this.stdin.close(reader.signal),
      resize: async (size) => this.resize(size),
      signal: async (signal) => this.#signal(signal),
      [Symbol.dispose]: () => {
        if (this.#reader !== reader) return;
        this.#reader = undefined;
        reader.abort(new DomainError('CANCELLED', 'the client went away'));
        this.#leave();
      },
    };
  }

  async resize(size: TtySize): Promise<void> {
    const agent = await this.#agent({});
    await agent.resizeTty(this.#key, size.rows, size.columns);
  }

  release(): void {
    this.#timer?.[Symbol.dispose]();
    this.#reader?.abort(new DomainError('SHUTTING_DOWN', 'the daemon is stopping', { remedy: 'resume with the exec id once it is back' }));
  }

  async #signal(text: string): Promise<void> {
    const number = signalNumber(text);
    if (number === undefined) throw new DomainError('INVALID_REQUEST', `no signal ${text}`, { fields: [{ field: 'signal', description: 'no such signal' }] });
    const agent = await this.#agent({});
    await agent.signal(this.#key, number, false);
  }

  async *#output(from: Offsets, signal: AbortSignal): AsyncIterable<StreamEvent> {
    for (const stream of ['stdout', 'stderr'] as const) {
      if (from[stream] < this.#acked[stream]) yield { kind: 'lost', stream, from: from[stream], to: this.#acked[stream] };
    }
    const at = { stdout: max(from.stdout, this.#acked.stdout), stderr: max(from.stderr, this.#acked.stderr) };
    try {
      for await (const event of this.#events(at, signal)) {
        if (event.kind !== 'exit') {
          yield event;
          continue;
        }
        this.#ended(exitStatus(event.exit));
        break;
      }
    } catch (error) {
      if (signal.aborted || !this.#vmEnded()) throw error;
      this.#ended(this.#lostExit());
    }
    if (this.#exit !== undefined) yield { kind: 'exit', exit: this.#exit };
    this.#finish();
  }

  /** It ended with its VM, of what that ended of. */
  #lostExit(): ExitStatus {
    const { record, deps } = this.container.sandbox;
    return { code: LOST_EXIT_CODE, signal: 0, oomKilled: false, atMs: deps.clock.wallMs(), cause: record.cause ?? 'UNKNOWN', detail: record.causeDetail === '' ? 'its VM ended' : record.causeDetail };
  }

  #vmEnded(): boolean {
    const { state } = this.container.sandbox.record;
    return state !== 'ready' && state !== 'running' && state !== 'paused' && state !== 'recovering';
  }

  /** Across lost links: goes on at the byte after the last one that was handed out. */
  async *#events(at: { stdout: bigint; stderr: bigint }, signal: AbortSignal): AsyncIterable<OutputEvent> {
    for (;;) {
      const agent = await this.#agent({ signal });
      try {
        for await (const event of agent.output(this.#key, at, { signal })) {
          if (event.kind === 'stdout' || event.kind === 'stderr') at[event.kind] = event.offset + BigInt(event.data.length);
          yield event;
          if (event.kind === 'exit') return;
        }
        throw new DomainError('AGENT_PROTOCOL', 'the output ended before the process did', { containerId: this.container.id });
      } catch (error) {
        if (signal.aborted || toDomainError(error).reason !== 'AGENT_UNREACHABLE') throw error;
        if ((await this.container.sandbox.agent?.hasLost(agent)) === false) throw error;
      }
    }
  }

  #ack(offsets: Offsets): void {
    this.#acked = { stdout: max(this.#acked.stdout, offsets.stdout), stderr: max(this.#acked.stderr, offsets.stderr) };
    this.container.sandbox.agent?.current?.ack(this.#key, this.#acked);
  }

  /** Nobody listens: hold what there is for a while, then let the process run on. */
  #leave(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = this.container.sandbox.deps.clock.timer(HOLD_MS, () => {
      const reader = new AbortController();
      this.#reader = reader;
      this.#drained = deferred<undefined>();
      void this.#drop(reader.signal);
    });
  }

  async #drop(signal: AbortSignal): Promise<void> {
    try {
      for await (const event of this.#events({ ...this.#acked }, signal)) {
        if (event.kind === 'exit') {
          this.#ended(exitStatus(event.exit));
          return;
        }
        if (event.kind === 'lost') this.#ack({ ...this.#acked, [event.stream]: event.to });
        else this.#ack({ ...this.#acked, [event.kind]: event.offset + BigInt(event.data.length) });
      }
    } catch (error) {
      if (!signal.aborted && this.#vmEnded()) this.#ended(this.#lostExit());
      if (!signal.aborted) this.container.sandbox.log.debug({ error, exec: this.execId }, 'exec without a client ended with its guest');
    } finally {
      this.#drained?.resolve(undefined);
      if (!signal.aborted) this.#finish();
    }
  }

  /** Its end is known: told and counted once, whether or not a client is there to hear it. */
  #ended(exit: ExitStatus): void {
    if (this.#exit !== undefined) return;
    this.#exit = exit;
    const { deps, id } = this.container.sandbox;
    deps.metrics.ended('exec', exit.cause);
    void deps.hub.publish({
      type: 'EXEC_EXITED',
      atMs: deps.clock.wallMs(),
      sandboxId: id,
      containerId: this.container.id,
      name: '',
      message: exit.detail,
      exitCode: exit.code,
      cause: exit.cause,
      attributes: { exec_id: this.execId },
    });
  }

  #finish(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    this.#onEnd();
  }

  async #agent(options: WaitOptions): Promise<GuestAgent> {
    const handle = this.container.sandbox.agent;
    if (handle === undefined) throw new DomainError('AGENT_UNREACHABLE', 'the VM has ended', { containerId: this.container.id });
    return await handle.get(options);
  }
}

function max(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
