import { deferred, raceSignal, type Deferred } from '../../base/abort.ts';
import { DomainError } from '../../core/model/errors.ts';
import type { Phase } from '../../core/model/outcome.ts';
import type { GuestAgent } from '../../core/ports/agent.ts';
import type { ContainerLog } from '../../core/ports/logs.ts';
import type { ContainerUnit } from './container-unit.ts';
import type { Offsets, ProcessStream, StreamEvent } from './facade.ts';
import { signalNumber } from './signals.ts';

/** Bytes a stream that are handed out beyond what was acknowledged. */
const WINDOW = 1024n * 1024n;

export interface AttachOptions {
  readonly container: ContainerUnit;
  readonly from: Offsets;
  readonly stdin: boolean;
  readonly phases: readonly Phase[];
}

/** A client's hold on the first process of a container: output from its log, input to its stdin. Any number of them at once. */
export async function attachStream(options: AttachOptions): Promise<ProcessStream> {
  const { container, from } = options;
  const log = await container.log();
  const end = new AbortController();
  const window = new AckWindow(from);
  const hold = container.hold();
  const key = { containerId: container.id, execId: undefined };
  const agent = async (): Promise<GuestAgent> => {
    const handle = container.sandbox.agent;
    if (handle === undefined) throw new DomainError('AGENT_UNREACHABLE', 'the VM has ended', { containerId: container.id });
    return await handle.get({ signal: end.signal });
  };
  return {
    execId: '',
    containerId: container.id,
    sandboxId: container.sandbox.id,
    tty: container.record.spec.tty,
    offsets: from,
    stdinOffset: container.stdin.accepted,
    phases: options.phases,
    mode: container.sandbox.record.mode,
    output: events(container, log, from, window, end.signal),
    ack: (offsets) => { window.ack(offsets); },
    writeStdin: async (offset, data) => {
      if (!options.stdin) throw noStdin(container.id);
      return await container.stdin.write(offset, data, end.signal);
    },
    closeStdin: async () => {
      if (options.stdin) await container.stdin.close(end.signal);
    },
    resize: async (size) => (await agent()).resizeTty(key, size.rows, size.columns),
    signal: async (text) => {
      const number = signalNumber(text);
      if (number === undefined) throw new DomainError('INVALID_REQUEST', `no signal ${text}`, { fields: [{ field: 'signal', description: 'no such signal' }] });
      await (await agent()).signal(key, number, false);
    },
    [Symbol.dispose]: () => {
      end.abort(new DomainError('CANCELLED', 'the client went away'));
      hold[Symbol.dispose]();
    },
  };
}

async function* events(container: ContainerUnit, log: ContainerLog, from: Offsets, window: AckWindow, signal: AbortSignal): AsyncIterable<StreamEvent> {
  for await (const event of log.read({ from, follow: true, signal })) {
    if (event.kind === 'lost') {
      window.ack({ ...window.acked, [event.stream]: event.to });
      yield event;
      continue;
    }
    await window.room(event.stream, event.offset + BigInt(event.data.length), signal);
    yield { kind: event.stream, offset: event.offset, data: event.data };
  }
  const record = await container.sandbox.actor.until(() => !container.exists || container.record.exit !== undefined, { signal });
  const exit = record.containers.find((candidate) => candidate.id === container.id)?.exit;
  if (exit === undefined) throw new DomainError('CONTAINER_NOT_FOUND', 'the container was deleted', { containerId: container.id });
  yield { kind: 'exit', exit };
}

/** Holds back what the client has not yet made room for. */
class AckWindow {
  #acked: Offsets;
  #moved: Deferred<undefined> = deferred<undefined>();

  constructor(from: Offsets) {
    this.#acked = from;
  }

  get acked(): Offsets {
    return this.#acked;
  }

  ack(offsets: Offsets): void {
    this.#acked = { stdout: offsets.stdout > this.#acked.stdout ? offsets.stdout : this.#acked.stdout, stderr: offsets.stderr > this.#acked.stderr ? offsets.stderr : this.#acked.stderr };
    const moved = this.#moved;
    this.#moved = deferred<undefined>();
    moved.resolve(undefined);
  }

  async room(stream: 'stdout' | 'stderr', end: bigint, signal: AbortSignal): Promise<void> {
    while (end > this.#acked[stream] + WINDOW) await raceSignal(this.#moved.promise, signal);
  }
}

function noStdin(containerId: string): DomainError {
  return new DomainError('INVALID_REQUEST', 'this attach did not ask for stdin', { containerId, fields: [{ field: 'start.stdin', description: 'must be true to send stdin' }], remedy: 'attach with stdin' });
}
