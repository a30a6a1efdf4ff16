import { Serial } from '../../base/serial.ts';
import { DomainError, toDomainError } from '../../core/model/errors.ts';
import type { ProcessKey } from '../../core/ports/agent.ts';
import type { AgentHandle } from './agent-handle.ts';

const EMPTY = new Uint8Array();

/** The input of one process, by offset: what was taken once is never written twice, also across a lost link. */
export class StdinWriter {
  readonly #agent: () => AgentHandle | undefined;
  readonly #key: ProcessKey;
  readonly #serial = new Serial();
  #accepted = 0n;
  #closed = false;

  constructor(agent: () => AgentHandle | undefined, key: ProcessKey) {
    this.#agent = agent;
    this.#key = key;
  }

  /** Everything below was taken by the process's pipe. */
  get accepted(): bigint {
    return this.#accepted;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** What the guest says it has taken, found after a restart, or 0 for a new process. */
  reset(accepted: bigint): void {
    this.#accepted = accepted;
    this.#closed = false;
  }

  /** Resolves with the accepted offset. OFFSET_OUT_OF_RANGE for a gap; bytes below the accepted offset are dropped. */
  async write(offset: bigint, data: Uint8Array, signal?: AbortSignal): Promise<bigint> {
    return await this.#serial.run(async () => {
      if (offset > this.#accepted) {
        throw new DomainError('OFFSET_OUT_OF_RANGE', `stdin starts at ${offset}, but only ${this.#accepted} bytes were taken`, { containerId: this.#key.containerId, remedy: `send again from ${this.#accepted}` });
      }
      if (this.#closed) return this.#accepted;
      const known = this.#accepted - offset;
      if (known >= BigInt(data.length)) return this.#accepted;
      return await this.#send(data.subarray(Number(known)), false, signal);
    });
  }

  async close(signal?: AbortSignal): Promise<void> {
    await this.#serial.run(async () => {
      if (this.#closed) return;
      await this.#send(EMPTY, true, signal);
      this.#closed = true;
    });
  }

  async #send(data: Uint8Array, eof: boolean, signal: AbortSignal | undefined): Promise<bigint> {
    for (;;) {
      const handle = this.#agent();
      if (handle === undefined) throw new DomainError('AGENT_UNREACHABLE', 'the VM has ended', { containerId: this.#key.containerId });
      const agent = await handle.get({ signal });
      try {
        this.#accepted = await agent.writeStdin(this.#key, this.#accepted, data, eof, { signal });
        return this.#accepted;
      } catch (error) {
        // The same bytes at the same offset: the guest drops what it has already.
        if (toDomainError(error).reason !== 'AGENT_UNREACHABLE' || !(await handle.hasLost(agent))) throw error;
      }
    }
  }
}
