import { CreateContainerRequest, ExecProcessRequest, RemoveContainerRequest, SignalProcessRequest, StartContainerRequest } from '../../../src/gen/agent/container.ts';
import { HealthCheckResponse } from '../../../src/gen/agent/health.ts';
import { Metrics, StatsContainerRequest, StatsContainerResponse } from '../../../src/gen/agent/stats.ts';
import { TtyWinResizeRequest } from '../../../src/gen/agent/stdio.ts';
import { FakeProcess } from './fake-process.ts';
import type { RawRequest } from './raw-guest.ts';

export const EMPTY = new Uint8Array(0);

export type Handler = (payload: Uint8Array, request: RawRequest) => Uint8Array | Promise<Uint8Array>;

/** Codes of the kata protocol that the fakes use. */
export const INTERNAL = 13;
export const NOT_FOUND = 5;
export const OUT_OF_RANGE = 11;
export const UNIMPLEMENTED = 12;

export class Refusal extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** The containers of a guest that is only played, with the calls that both kinds of agent have. */
export class FakeContainers {
  readonly processes = new Map<string, FakeProcess>();
  readonly #ids = new Set<string>();

  process(containerId: string, execId = ''): FakeProcess {
    const found = this.processes.get(nameOf(containerId, execId));
    if (found === undefined) throw new Refusal(NOT_FOUND, `no process ${execId} in ${containerId}`);
    return found;
  }

  readonly handlers: Readonly<Record<string, Handler>> = {
    Check: () => HealthCheckResponse.encode({ status: 1 }).finish(),
    CreateSandbox: () => EMPTY,
    CreateContainer: (payload) => this.#create(CreateContainerRequest.decode(payload)),
    StartContainer: (payload) => {
      this.process(StartContainerRequest.decode(payload).containerId).start();
      return EMPTY;
    },
    RemoveContainer: (payload) => this.#remove(RemoveContainerRequest.decode(payload).containerId),
    ExecProcess: (payload) => this.#exec(ExecProcessRequest.decode(payload)),
    SignalProcess: (payload) => {
      const { containerId, execId, signal } = SignalProcessRequest.decode(payload);
      this.process(containerId, execId).finish(128 + signal);
      return EMPTY;
    },
    PauseContainer: () => EMPTY,
    ResumeContainer: () => EMPTY,
    StatsContainer: (payload) => {
      this.#mustHave(StatsContainerRequest.decode(payload).containerId);
      const stats = StatsContainerResponse.fromPartial({ cgroupStats: { memoryStats: { usage: { usage: 4096n } }, pidsStats: { current: 1n } } });
      return StatsContainerResponse.encode(stats).finish();
    },
    TtyWinResize: (payload) => {
      const { containerId, execId, row, column } = TtyWinResizeRequest.decode(payload);
      this.process(containerId, execId).size = { rows: row, columns: column };
      return EMPTY;
    },
    GetMetrics: () => Metrics.encode({ metrics: '# guest\n' }).finish(),
    SetGuestDateTime: () => EMPTY,
    ReseedRandomDev: () => EMPTY,
  };

  #create(request: CreateContainerRequest): Uint8Array {
    const process = request.OCI?.Process;
    this.#ids.add(request.containerId);
    this.processes.set(nameOf(request.containerId, ''), new FakeProcess(process?.Args ?? [], process?.Terminal ?? false));
    return EMPTY;
  }

  #exec(request: ExecProcessRequest): Uint8Array {
    this.#mustHave(request.containerId);
    const process = new FakeProcess(request.process?.Args ?? [], request.process?.Terminal ?? false);
    this.processes.set(nameOf(request.containerId, request.execId), process);
    process.start();
    return EMPTY;
  }

  #remove(containerId: string): Uint8Array {
    this.#mustHave(containerId);
    this.#ids.delete(containerId);
    for (const name of [...this.processes.keys()]) {
      if (name.startsWith(`${containerId}/`)) this.processes.delete(name);
    }
    return EMPTY;
  }

  #mustHave(containerId: string): void {
    if (!this.#ids.has(containerId)) throw new Refusal(INTERNAL, 'Invalid container id');
  }
}

/** Runs a handler and sends its outcome as the answer. */
export async function answer(handlers: Readonly<Record<string, Handler>>, request: RawRequest, send: { ok: (payload: Uint8Array) => void; refuse: (code: number, message: string) => void }): Promise<void> {
  try {
    const handler = handlers[request.method];
    if (handler === undefined) throw new Refusal(UNIMPLEMENTED, `${request.service}/${request.method} is not there`);
    send.ok(await handler(request.payload, request));
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    send.refuse(error.code, error.message);
  }
}

export function nameOf(containerId: string, execId: string): string {
  return `${containerId}/${execId === containerId ? '' : execId}`;
}
