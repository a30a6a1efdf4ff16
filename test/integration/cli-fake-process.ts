import type { AttachRequest, ExecRequest, ExecResponse } from '../../src/gen/vivarium/v1/container.ts';

const window = 1024 * 1024;
const pieceBytes = 64 * 1024;

type Offsets = { stdout: bigint; stderr: bigint };
type Reply = NonNullable<ExecResponse['message']>;

/** What a process does: it sees its stdin, its signals and sizes through the handle. */
export type FakeScript = (process: FakeProcess) => Promise<number>;

/** A process that a script plays: its output is kept for ever, so that a stream can be resumed from anywhere. */
export class FakeProcess {
  readonly id: string;
  readonly tty: boolean;
  readonly output: Record<'stdout' | 'stderr', Buffer> = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) };
  readonly signals: string[] = [];
  readonly sizes: { rows: number; columns: number }[] = [];
  readonly acks: Offsets[] = [];
  /** The most bytes of stdin that were under way, taken by nobody. */
  mostUnacked = 0;
  stdinEof = false;
  exited: number | undefined;
  readonly exitCode: Promise<number>;
  /** Said instead of bytes, once. */
  lost: { from: bigint; to: bigint } | undefined;
  #stdin: Buffer[] = [];
  #received = 0n;
  #taken = 0n;
  #waiters: (() => void)[] = [];

  constructor(id: string, tty: boolean, script: FakeScript) {
    this.id = id;
    this.tty = tty;
    this.exitCode = script(this).then((code) => {
      this.exited = code;
      this.changed();
      return code;
    });
  }

  write(stream: 'stdout' | 'stderr', data: string | Buffer): void {
    this.output[stream] = Buffer.concat([this.output[stream], Buffer.from(data)]);
    this.changed();
  }

  /** The next bytes typed; undefined at the end. */
  async read(): Promise<Buffer | undefined> {
    await this.until(() => this.#stdin.length > 0 || this.stdinEof);
    const chunk = this.#stdin.shift();
    this.#taken += BigInt(chunk?.length ?? 0);
    this.changed();
    return chunk;
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => { this.#waiters.push(resolve); });
  }

  changed(): void {
    for (const wake of this.#waiters.splice(0)) wake();
  }

  async *serve(requests: AsyncIterator<ExecRequest | AttachRequest>, from: Offsets | undefined): AsyncGenerator<ExecResponse> {
    const sent: Offsets = { ...(from ?? { stdout: 0n, stderr: 0n }) };
    const acked: Offsets = { ...sent };
    let toldTaken = this.#taken;
    let over = false;
    const reader = this.#readAll(requests, acked, () => over);
    yield { message: { $case: 'started', value: { execId: this.id, containerId: this.id, sandboxId: 's', offsets: { ...sent }, stdinOffset: this.#received, phases: [], mode: undefined, tty: this.tty } } };
    try {
      for (;;) {
        const reply = this.#nextReply(sent, acked, toldTaken);
        if (reply !== undefined) {
          if (reply.$case === 'stdinAck') toldTaken = reply.value.offset;
          yield { message: reply };
        } else if (this.exited !== undefined && sent.stdout === BigInt(this.output.stdout.length) && sent.stderr === BigInt(this.output.stderr.length)) {
          yield { message: { $case: 'exit', value: { code: this.exited, signal: 0, oomKilled: false, at: undefined, cause: 2, detail: '' } } };
          return;
        } else {
          await new Promise<void>((resolve) => { this.#waiters.push(resolve); });
        }
      }
    } finally {
      over = true;
      void reader;
    }
  }

  #nextReply(sent: Offsets, acked: Offsets, toldTaken: bigint): Reply | undefined {
    if (this.#taken > toldTaken) return { $case: 'stdinAck', value: { offset: this.#taken } };
    if (this.lost !== undefined) {
      const value = { stream: 1 as const, ...this.lost };
      this.lost = undefined;
      sent.stdout = value.to;
      return { $case: 'lost', value };
    }
    for (const stream of ['stdout', 'stderr'] as const) {
      const allowed = Math.min(pieceBytes, window - Number(sent[stream] - acked[stream]));
      const data = this.output[stream].subarray(Number(sent[stream]), Number(sent[stream]) + allowed);
      if (allowed <= 0 || data.length === 0) continue;
      const offset = sent[stream];
      sent[stream] += BigInt(data.length);
      return { $case: stream, value: { offset, data } };
    }
    return undefined;
  }

  async #readAll(requests: AsyncIterator<ExecRequest | AttachRequest>, acked: Offsets, over: () => boolean): Promise<void> {
    try {
      for (let next = await requests.next(); next.done !== true && !over(); next = await requests.next()) {
        this.#handle((next.value as ExecRequest).message, acked);
        this.changed();
      }
    } catch {
      // The connection broke: the process does not care.
    }
  }

  #handle(message: ExecRequest['message'], acked: Offsets): void {
    switch (message?.$case) {
      case 'stdin': {
        const { offset, data } = message.value;
        if (offset > this.#received) throw new Error(`stdin has a gap: ${offset} after ${this.#received}`);
        const fresh = data.subarray(Number(this.#received - offset));
        if (fresh.length > 0) this.#stdin.push(fresh);
        this.#received += BigInt(fresh.length);
        this.mostUnacked = Math.max(this.mostUnacked, Number(this.#received - this.#taken));
        break;
      }
      case 'stdinEof': this.stdinEof = true; break;
      case 'resize': this.sizes.push(message.value); break;
      case 'signal': this.signals.push(message.value.signal); break;
      case 'ack':
        acked.stdout = message.value.stdout;
        acked.stderr = message.value.stderr;
        this.acks.push(message.value);
        break;
      default: throw new Error(`unexpected ${message?.$case ?? 'nothing'}`);
    }
  }
}
