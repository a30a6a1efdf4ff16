import type { ProcessKey } from '../../core/ports/agent.ts';
import type { Clock } from '../../core/ports/host.ts';

export interface Offsets {
  readonly stdout: bigint;
  readonly stderr: bigint;
}

/** So many bytes are acknowledged at once: a little less than the longest message, so that none of these waits for the next; a quarter of the agent's window. */
const BATCH_BYTES = 248n * 1024n;
/** What is less waits so long for more. */
const IDLE_MS = 20;

const ZERO: Offsets = { stdout: 0n, stderr: 0n };

interface Progress {
  readonly key: ProcessKey;
  taken: Offsets;
  sent: Offsets;
  sending: boolean;
  idle: Disposable | undefined;
  ended: boolean;
}

/** Batches acknowledgements: one call under way for a process, sent every 248 KiB or when nothing more comes for a moment. */
export class Acks {
  readonly #clock: Clock;
  readonly #send: (key: ProcessKey, offsets: Offsets) => Promise<void>;
  readonly #processes = new Map<string, Progress>();

  /** `send` must not reject. */
  constructor(clock: Clock, send: (key: ProcessKey, offsets: Offsets) => Promise<void>) {
    this.#clock = clock;
    this.#send = send;
  }

  /**
   * The process's output is being read from these offsets on. That is told at once: an earlier acknowledgement may have been lost with its link, and
   * an agent whose window is full of what was read already sends nothing that could be acknowledged.
   */
  begin(key: ProcessKey, from: Offsets): void {
    const progress = this.#entry(key);
    progress.ended = false;
    this.#raise(progress, from);
    this.#flush(progress);
  }

  /** The reader has gone: nothing is kept beyond what is still to be sent. */
  end(key: ProcessKey): void {
    const progress = this.#processes.get(nameOf(key));
    if (progress === undefined) return;
    progress.ended = true;
    this.#flush(progress);
  }

  /** Bytes below these offsets are not needed any more. Offsets only grow. */
  note(key: ProcessKey, offsets: Offsets): void {
    const fresh = !this.#processes.has(nameOf(key));
    const progress = this.#entry(key);
    if (fresh) progress.ended = true;
    this.#raise(progress, offsets);
    if (progress.ended || unsent(progress) >= BATCH_BYTES) this.#flush(progress);
    else progress.idle ??= this.#clock.timer(IDLE_MS, () => { this.#flush(progress); });
  }

  /** Nothing is sent any more. */
  stop(): void {
    for (const progress of this.#processes.values()) progress.idle?.[Symbol.dispose]();
    this.#processes.clear();
  }

  #raise(progress: Progress, offsets: Offsets): void {
    progress.taken = { stdout: larger(progress.taken.stdout, offsets.stdout), stderr: larger(progress.taken.stderr, offsets.stderr) };
  }

  #entry(key: ProcessKey): Progress {
    const name = nameOf(key);
    const known = this.#processes.get(name);
    if (known !== undefined) return known;
    const progress = { key, taken: ZERO, sent: ZERO, sending: false, idle: undefined, ended: false };
    this.#processes.set(name, progress);
    return progress;
  }

  #flush(progress: Progress): void {
    progress.idle?.[Symbol.dispose]();
    progress.idle = undefined;
    if (progress.sending) return;
    if (unsent(progress) === 0n) {
      if (progress.ended) this.#processes.delete(nameOf(progress.key));
      return;
    }
    progress.sending = true;
    progress.sent = progress.taken;
    void this.#send(progress.key, progress.taken).then(() => {
      progress.sending = false;
      const overdue = unsent(progress) > 0n && progress.idle === undefined;
      if (progress.ended || overdue || unsent(progress) >= BATCH_BYTES) this.#flush(progress);
    });
  }
}

function unsent(progress: Progress): bigint {
  return progress.taken.stdout - progress.sent.stdout + progress.taken.stderr - progress.sent.stderr;
}

function larger(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

function nameOf(key: ProcessKey): string {
  return `${key.containerId}/${key.execId ?? ''}`;
}
