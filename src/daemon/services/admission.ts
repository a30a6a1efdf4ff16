import { deferred, deadline, raceSignal, type Deferred } from '../../base/abort.ts';
import { DomainError } from '../../core/model/errors.ts';
import type { Clock, WaitOptions } from '../../core/ports/host.ts';

export interface AdmissionLimits {
  /** Bytes that all sandboxes together may have. */
  readonly memoryBytes: number;
  readonly maxSandboxes: number;
  /** VMs that boot at the same time. */
  readonly bootConcurrency: number;
  readonly queueLength: number;
  readonly queueTimeoutMs: number;
}

interface Waiting {
  readonly id: string;
  readonly bytes: number;
  readonly turn: Deferred<undefined>;
}

/**
 * Who may start a VM, and when: never more memory than the host has to give, so that the kernel's OOM killer has no say. A create waits its turn,
 * first come first served, or is refused with the numbers.
 */
export class Admission {
  readonly #limits: AdmissionLimits;
  readonly #clock: Clock;
  readonly #queue: Waiting[] = [];
  readonly #held = new Map<string, number>();
  #booting = 0;

  constructor(limits: AdmissionLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  get usedBytes(): number {
    let sum = 0;
    for (const bytes of this.#held.values()) sum += bytes;
    return sum;
  }

  get freeBytes(): number {
    return Math.max(0, this.#limits.memoryBytes - this.usedBytes);
  }

  /** Memory for a sandbox that runs already (found at start): never refused. */
  hold(id: string, bytes: number): void {
    this.#held.set(id, bytes);
  }

  /** Waits until the memory is there and a boot place is free; both are then held. Dispose of the result when the boot is over; `release` frees the memory. */
  async enter(id: string, bytes: number, options: WaitOptions): Promise<Disposable> {
    if (bytes > this.#limits.memoryBytes) throw this.#exhausted(id, bytes, 'more than the host may give in all');
    if (!this.#fits(bytes) || this.#queue.length > 0) await this.#wait(id, bytes, options);
    else this.#admit(id, bytes);
    let booting = true;
    return {
      [Symbol.dispose]: () => {
        if (!booting) return;
        booting = false;
        this.#booting -= 1;
        this.#advance();
      },
    };
  }

  release(id: string): void {
    if (this.#held.delete(id)) this.#advance();
  }

  #fits(bytes: number): boolean {
    return this.#booting < this.#limits.bootConcurrency && this.#held.size < this.#limits.maxSandboxes && bytes <= this.freeBytes;
  }

  async #wait(id: string, bytes: number, options: WaitOptions): Promise<void> {
    if (this.#queue.length >= this.#limits.queueLength) throw this.#exhausted(id, bytes, `${this.#queue.length} creates are waiting already`);
    const waiting: Waiting = { id, bytes, turn: deferred<undefined>() };
    this.#queue.push(waiting);
    using timer = deadline({
      ms: this.#limits.queueTimeoutMs,
      timer: (ms, callback) => this.#clock.timer(ms, callback),
      reason: () => this.#exhausted(id, bytes, `none became free in ${this.#limits.queueTimeoutMs} ms`),
      signals: [options.signal],
    });
    try {
      await raceSignal(waiting.turn.promise, timer.signal);
    } catch (error) {
      const index = this.#queue.indexOf(waiting);
      if (index >= 0) {
        this.#queue.splice(index, 1);
      } else {
        // Its turn came at the same moment as the end of its patience: hand the place on.
        this.#booting -= 1;
        this.#held.delete(id);
      }
      this.#advance();
      throw error;
    }
  }

  /** Strictly first come first served: a large one at the head is not starved by small ones behind it. */
  #advance(): void {
    for (let head = this.#queue[0]; head !== undefined && this.#fits(head.bytes); head = this.#queue[0]) {
      this.#queue.shift();
      this.#admit(head.id, head.bytes);
      head.turn.resolve(undefined);
    }
  }

  #admit(id: string, bytes: number): void {
    this.#booting += 1;
    this.#held.set(id, bytes);
  }

  #exhausted(id: string, bytes: number, why: string): DomainError {
    const { memoryBytes, maxSandboxes } = this.#limits;
    return new DomainError('CAPACITY_EXHAUSTED', `no room for a sandbox of ${bytes} bytes: ${this.usedBytes} of ${memoryBytes} bytes are given out to ${this.#held.size} of at most ${maxSandboxes} sandboxes; ${why}`, {
      sandboxId: id,
      remedy: 'stop a sandbox, ask for less memory, or raise the admission limits of vivd',
      facts: { requested_bytes: String(bytes), used_bytes: String(this.usedBytes), limit_bytes: String(memoryBytes), sandboxes: String(this.#held.size), max_sandboxes: String(maxSandboxes), waiting: String(this.#queue.length) },
    });
  }
}
