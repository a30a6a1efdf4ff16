import type { ExitStatus } from '../../core/model/outcome.ts';
import { DomainError, toDomainError } from '../../core/model/errors.ts';
import type { GuestExit, OutputEvent, ProcessKey } from '../../core/ports/agent.ts';
import type { Clock } from '../../core/ports/host.ts';
import type { ContainerLog, LogPosition, OutputName } from '../../core/ports/logs.ts';
import type { Logger } from '../../core/ports/telemetry.ts';
import type { AgentHandle } from './agent-handle.ts';

const RETRY_APPEND_MS = 1000;

export interface PumpOptions {
  readonly key: ProcessKey;
  /** Of the process: an agent that an earlier daemon had it started by can't always be asked. */
  readonly terminal: boolean;
  readonly agent: AgentHandle;
  readonly log: ContainerLog;
  /** Where in the log this process's offset 0 is. */
  readonly base: LogPosition;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The process has ended and its last byte is in the log. */
  readonly onExit: (exit: GuestExit) => void;
}

/** Drains the first process of a container into its log. What is not in the log stays in the guest, so a full disk slows the process down and loses nothing. */
export class ProcessPump {
  readonly #options: PumpOptions;
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;

  constructor(options: PumpOptions) {
    this.#options = options;
    this.#done = this.#run();
  }

  /** Ends it without waiting for the process; resolves when no more bytes are written. */
  async stop(): Promise<void> {
    this.#stop.abort(new Error('stopped'));
    await this.#done;
  }

  /** A call, so that no check before an await is taken to hold after it. */
  #stopped(): boolean {
    return this.#stop.signal.aborted;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    const { agent } = this.#options;
    while (!this.#stopped()) {
      try {
        if (await this.#follow(signal)) return;
      } catch (error) {
        if (this.#stopped()) return;
        const problem = toDomainError(error);
        // A lost link comes back (the handle sees to that) and asking for it waits; anything else is not cured by asking again at once, least of all
        // a handle that is closed: it refuses without a turn of the event loop, and the stop that is on its way would never be heard.
        this.#options.logger.warn({ error, container: this.#options.key.containerId }, 'output interrupted');
        if (agent.closed || agent.current !== undefined || problem.reason !== 'AGENT_UNREACHABLE') await this.#pause(signal);
      }
    }
  }

  /** True when the process has ended. */
  async #follow(signal: AbortSignal): Promise<boolean> {
    const { agent, key, terminal } = this.#options;
    const guest = await agent.get({ signal });
    for await (const event of guest.output(key, this.#position(), { signal, terminal })) {
      if (event.kind === 'exit') {
        this.#options.onExit(event.exit);
        return true;
      }
      await this.#keep(event, signal);
      guest.ack(key, this.#position());
    }
    throw new DomainError('AGENT_PROTOCOL', 'the output ended before the process did');
  }

  async #keep(event: Exclude<OutputEvent, { kind: 'exit' }>, signal: AbortSignal): Promise<void> {
    const { log, base, clock } = this.#options;
    for (;;) {
      try {
        if (event.kind === 'lost' && event.from === event.to) this.#options.logger.warn({ container: this.#options.key.containerId, stream: event.stream }, 'output may be missing that nobody counted');
        else if (event.kind === 'lost') await log.skip(event.stream, base[event.stream] + event.to);
        else await log.append(event.kind satisfies OutputName, base[event.kind] + event.offset, event.data, clock.wallMs());
        return;
      } catch (error) {
        if (signal.aborted) throw error;
        this.#options.logger.error({ error, container: this.#options.key.containerId }, 'output not kept; the process waits');
        await clock.sleep(RETRY_APPEND_MS, { signal });
      }
    }
  }

  /** How far the process's own streams are in the log. */
  #position(): LogPosition {
    const { log, base } = this.#options;
    return { stdout: log.end.stdout - base.stdout, stderr: log.end.stderr - base.stderr };
  }

  async #pause(signal: AbortSignal): Promise<void> {
    await this.#options.clock.sleep(RETRY_APPEND_MS, { signal }).catch(() => undefined);
  }
}

/** How a guest's process ended, in the model's words. */
export function exitStatus(exit: GuestExit): ExitStatus {
  const signal = exit.status > 128 && exit.status < 128 + 65 ? exit.status - 128 : 0;
  const detail = exit.oomKilled ? 'killed for want of memory in the guest' : signal > 0 ? `ended by signal ${signal}` : '';
  return { code: exit.status, signal, oomKilled: exit.oomKilled, atMs: exit.atMs, cause: exit.oomKilled ? 'GUEST_OOM' : 'CONTAINER_EXIT', detail };
}
