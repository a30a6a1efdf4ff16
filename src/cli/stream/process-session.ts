import { OutputStream, type ExecStarted, type StreamOffsets } from '../../gen/vivarium/v1/container.ts';
import { brokeOff, daemonFailure, isResumable } from '../client/daemon-failure.ts';
import { CliError } from '../cli-error.ts';
import { ExitCode } from '../exit-codes.ts';
import { LocalSide } from './local-side.ts';
import { newConnection, Outbox, type Connection } from './outbox.ts';
import type { Gap } from './output-progress.ts';
import { OutputPump } from './output-pump.ts';
import type { ProcessCall, ServerMessage } from './process-call.ts';
import { reconnectStep } from './reconnect-policy.ts';
import type { SessionEnd, SessionOptions, SessionResult } from './session-options.ts';
import { StdinWindow } from './stdin-window.ts';

const stdinWindowBytes = 1024 * 1024;
/** The daemon keeps to 1 MiB a stream beyond our acknowledgement; of one that does not, no more than this is taken in. */
const outputPendingBytes = 2 * 1024 * 1024;
/** The daemon ends the stream right after the exit; one that does not is left after this. */
const lingerMs = 250;

interface Break {
  readonly since: number;
  readonly attempt: number;
  readonly told: boolean;
}

/** Connects our standard streams to a process until it ends or we leave it, over as many connections as that takes. */
export class ProcessSession implements Disposable {
  readonly #call: ProcessCall;
  readonly #options: SessionOptions;
  readonly #leaving = new AbortController();
  readonly #signal: AbortSignal;
  readonly #stdin = new StdinWindow(stdinWindowBytes);
  readonly #stdout: OutputPump;
  readonly #stderr: OutputPump;
  readonly #outbox: Outbox;
  readonly #local: LocalSide;
  #started: ExecStarted | undefined;
  #end: SessionEnd | undefined;
  #break: Break | undefined;

  constructor(call: ProcessCall, options: SessionOptions) {
    this.#call = call;
    this.#options = options;
    this.#signal = AbortSignal.any([options.signal, this.#leaving.signal]);
    // Acknowledgements of one turn of the event loop go out as one.
    const written = (): void => { setImmediate(() => { this.#outbox.wake(); }); };
    this.#stdout = new OutputPump(options.host.stdout, written);
    this.#stderr = new OutputPump(options.host.stderr, written);
    this.#outbox = new Outbox(this.#stdin, () => this.#offsets('written'));
    this.#local = new LocalSide(options, this.#outbox, this.#stdin, (end) => { this.#leave(end); });
  }

  /** @throws what the call failed with: before it stood, or when it could not be resumed */
  async run(): Promise<SessionResult> {
    while (this.#end === undefined) {
      try {
        await this.#connect();
      } catch (error) {
        if (!this.#mayResume(error)) throw error;
      }
      if (!this.#ended()) await this.#waitToRetry();
    }
    return { end: this.#end, started: this.#started };
  }

  [Symbol.dispose](): void {
    this.#local[Symbol.dispose]();
  }

  /** One connection, from opening to end. */
  async #connect(): Promise<void> {
    const from = this.#started === undefined ? undefined : { started: this.#started, offsets: this.#offsets('received') };
    const connection = newConnection(from?.offsets ?? { stdout: 0n, stderr: 0n });
    try {
      for await (const message of this.#call.open(from, this.#outbox.messages(connection), this.#signal)) {
        if (message !== undefined) await this.#handle(message, connection);
      }
    } finally {
      connection.over = true;
      this.#outbox.wake();
    }
    if (this.#started === undefined && !this.#ended()) throw new CliError('the daemon ended the stream before the process started', { exitCode: ExitCode.daemonFailed });
  }

  async #handle(message: ServerMessage, connection: Connection): Promise<void> {
    switch (message.$case) {
      case 'started':
        this.#onStarted(message.value, connection);
        break;
      case 'stdout':
        this.#warn('stdout', this.#stdout.write(message.value.offset, message.value.data));
        await this.#stdout.below(outputPendingBytes, this.#signal);
        break;
      case 'stderr':
        this.#warn('stderr', this.#stderr.write(message.value.offset, message.value.data));
        await this.#stderr.below(outputPendingBytes, this.#signal);
        break;
      case 'stdinAck':
        this.#stdin.ack(message.value.offset);
        this.#local.stdinTaken();
        this.#outbox.wake();
        break;
      case 'lost': {
        const isStderr = message.value.stream === OutputStream.OUTPUT_STREAM_STDERR;
        const pump = isStderr ? this.#stderr : this.#stdout;
        const { from, to } = message.value;
        const name = isStderr ? 'stderr' : 'stdout';
        this.#warn(name, pump.lost(from, to));
        // Nobody counted them: so an official kata agent, of what was under way when its channel broke.
        if (from === to) this.#local.say(`viv: warning: some bytes of ${name} may be lost at ${from}`);
        break;
      }
      case 'exit':
        await Promise.all([this.#stdout.below(0, this.#signal), this.#stderr.below(0, this.#signal)]);
        this.#end ??= { kind: 'exit', exit: message.value };
        connection.closing = true;
        this.#outbox.wake();
        this.#leaveAfterLinger();
    }
  }

  #onStarted(started: ExecStarted, connection: Connection): void {
    if (this.#started === undefined) {
      this.#started = started;
      const offsets = started.offsets ?? { stdout: 0n, stderr: 0n };
      this.#stdout.progress.begin(offsets.stdout);
      this.#stderr.progress.begin(offsets.stderr);
      connection.acked = offsets;
      this.#break = undefined;
      this.#stdin.begin(started.stdinOffset);
      connection.started = true;
      this.#local.attach(started);
      this.#options.onStarted?.();
    } else {
      this.#stdin.rewind(started.stdinOffset);
      connection.started = true;
      if (this.#break?.told === true) this.#local.say('viv: connected to the daemon again');
      this.#break = undefined;
      this.#local.sendSize();
      this.#local.stdinTaken();
    }
    this.#outbox.wake();
  }

  #mayResume(error: unknown): boolean {
    if (this.#ended()) return true;
    const failure = daemonFailure(error);
    if (failure === undefined) return false;
    // A start that broke off is sent again as it was: its request id makes it the same process.
    return this.#started === undefined && this.#break === undefined ? brokeOff(failure) : isResumable(failure);
  }

  /** Waits before the next attempt; returns early when we leave meanwhile. */
  async #waitToRetry(): Promise<void> {
    const { clock } = this.#options.host;
    const now = clock.now().getTime();
    const current = this.#break ?? { since: now, attempt: 0, told: false };
    const step = reconnectStep(this.#options.reconnect, current.attempt, now - current.since);
    if (step.kind === 'give-up') throw new CliError('the connection to the daemon was lost and did not come back', { exitCode: ExitCode.daemonFailed, remedy: 'the process may still run: see viv ps and viv attach' });
    if (step.tell && !current.told) this.#local.say('viv: lost the connection to the daemon; waiting for it to come back');
    this.#break = { since: current.since, attempt: current.attempt + 1, told: current.told || step.tell };
    try {
      await clock.sleep(step.delayMs, this.#signal);
    } catch (error) {
      if (!this.#ended()) throw error;
    }
  }

  #leave(end: SessionEnd): void {
    this.#end ??= end;
    this.#leaving.abort();
  }

  #leaveAfterLinger(): void {
    const timer = setTimeout(() => { this.#leaving.abort(); }, lingerMs);
    timer.unref();
  }

  /** A method, because the field changes while others run. */
  #ended(): boolean {
    return this.#end !== undefined;
  }

  #offsets(which: 'received' | 'written'): StreamOffsets {
    return { stdout: this.#stdout.progress[which], stderr: this.#stderr.progress[which] };
  }

  #warn(stream: string, gap: Gap | undefined): void {
    if (gap === undefined) return;
    this.#local.say(`viv: warning: ${gap.to - gap.from} bytes of ${stream} were lost (${gap.from} to ${gap.to})`);
  }
}
