import type { ByteStream } from '../../../src/core/ports/host.ts';
import { CreateContainerRequest, ExecProcessRequest, RemoveContainerRequest, SignalProcessRequest, StartContainerRequest } from '../../../src/gen/agent/container.ts';
import { HealthCheckResponse } from '../../../src/gen/agent/health.ts';
import { StatsContainerResponse } from '../../../src/gen/agent/stats.ts';
import { Metrics } from '../../../src/gen/agent/stats.ts';
import { TtyWinResizeRequest } from '../../../src/gen/agent/stdio.ts';
import { AckRequest, InfoResponse, ListProcessesResponse, OutputRequest, OutputResponse, WriteStdinRequest, WriteStdinResponse, EventsResponse } from '../../../src/gen/vivarium/agent/v1/stream.ts';
import { FakeProcess } from './fake-process.ts';
import type { StreamName } from './fake-process.ts';
import { GuestLink } from './guest-link.ts';
import type { RawRequest } from './raw-guest.ts';
import { RawGuest } from './raw-guest.ts';

const NOT_FOUND = 5;
const OUT_OF_RANGE = 11;
const UNIMPLEMENTED = 12;
const CHUNK = 64 * 1024;

export class Refusal extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

type Handler = (payload: Uint8Array, request: RawRequest) => Uint8Array | Promise<Uint8Array>;
const EMPTY = new Uint8Array(0);

/** viv-agent as its protocol describes it, in memory: one guest that outlives its connections. */
export class FakeGuest {
  readonly processes = new Map<string, FakeProcess>();
  readonly link: GuestLink;
  readonly calls: string[] = [];
  /** Methods whose requests are swallowed. */
  readonly mute = new Set<string>();
  acks = 0;
  #stream: ByteStream | undefined;
  #raw: RawGuest | undefined;
  #outputs = new Map<string, number>();
  #generation = 0;
  #events: number | undefined;
  #receive: ((bytes: Uint8Array) => void) | undefined;

  constructor(instance: Uint8Array = Buffer.alloc(16, 0x11)) {
    this.link = new GuestLink(instance, {
      hello: (ack) => {
        this.#forget();
        this.#stream?.write([ack]);
      },
      go: () => { this.#open(); },
      bytes: (bytes) => { this.#receive?.(bytes); },
    });
  }

  /** A host has connected. The port has one stream; what is under way on an earlier one stays under way. */
  attach(stream: ByteStream): void {
    this.#stream = stream;
    stream.onData((chunk) => { this.link.receive(chunk); });
  }

  oom(containerId: string): void {
    const event = EventsResponse.encode({ event: { $case: 'oom', value: { containerId } } }).finish();
    if (this.#events !== undefined) this.#raw?.data(this.#events, event);
  }

  process(containerId: string, execId = ''): FakeProcess {
    const found = this.processes.get(nameOf(containerId, execId));
    if (found === undefined) throw new Refusal(NOT_FOUND, `no process ${execId} in ${containerId}`);
    return found;
  }

  /** Puts bytes on the wire as they are. */
  noise(bytes: Uint8Array): void {
    this.#stream?.write([bytes]);
  }

  #forget(): void {
    this.#generation += 1;
    this.#raw = undefined;
    this.#receive = undefined;
    this.#events = undefined;
    this.#outputs.clear();
  }

  #open(): void {
    const stream = this.#stream;
    if (stream === undefined) return;
    const raw = new RawGuest({ ...bound(stream), onData: (listener) => { this.#receive = listener; } });
    raw.onRequest((request) => { void this.#serve(raw, request); });
    this.#raw = raw;
  }

  async #serve(raw: RawGuest, request: RawRequest): Promise<void> {
    this.calls.push(request.method);
    if (this.mute.has(request.method)) return;
    const generation = this.#generation;
    try {
      const handler = this.#handlers[request.method];
      if (handler === undefined) throw new Refusal(UNIMPLEMENTED, `${request.service}/${request.method} is not there`);
      const answer = await handler(request.payload, request);
      if (generation === this.#generation) raw.answer(request.streamId, answer);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      if (generation === this.#generation) raw.refuse(request.streamId, error.code, error.message);
    }
  }

  readonly #handlers: Readonly<Record<string, Handler>> = {
    Check: () => HealthCheckResponse.encode({ status: 1 }).finish(),
    CreateSandbox: () => EMPTY,
    DestroySandbox: () => {
      this.#stream?.close();
      return EMPTY;
    },
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
    StatsContainer: () => StatsContainerResponse.encode(StatsContainerResponse.fromPartial({ cgroupStats: { memoryStats: { usage: { usage: 4096n } }, pidsStats: { current: 1n } } })).finish(),
    TtyWinResize: (payload) => {
      const { containerId, execId, row, column } = TtyWinResizeRequest.decode(payload);
      this.process(containerId, execId).size = { rows: row, columns: column };
      return EMPTY;
    },
    GetMetrics: () => Metrics.encode({ metrics: '# guest\n' }).finish(),
    SetGuestDateTime: () => EMPTY,
    ReseedRandomDev: () => EMPTY,
    WaitProcess: () => EMPTY,
    Info: () => InfoResponse.encode(InfoResponse.fromPartial({ agentVersion: 'fake', kernelRelease: '6.1', bootId: 'b', memoryBytes: 1n << 28n, onlineCpus: 1 })).finish(),
    ListProcesses: () => this.#list(),
    Events: (_, request) => {
      this.#events = request.streamId;
      return new Promise<Uint8Array>(() => {});
    },
    Output: (payload, request) => this.#output(OutputRequest.decode(payload), request.streamId),
    Ack: (payload) => this.#ack(AckRequest.decode(payload)),
    WriteStdin: (payload) => this.#input(WriteStdinRequest.decode(payload)),
  };

  #create(request: CreateContainerRequest): Uint8Array {
    const process = request.OCI?.Process;
    this.processes.set(nameOf(request.containerId, ''), new FakeProcess(process?.Args ?? [], process?.Terminal ?? false));
    return EMPTY;
  }

  #exec(request: ExecProcessRequest): Uint8Array {
    this.process(request.containerId);
    const process = new FakeProcess(request.process?.Args ?? [], request.process?.Terminal ?? false);
    this.processes.set(nameOf(request.containerId, request.execId), process);
    process.start();
    return EMPTY;
  }

  #remove(containerId: string): Uint8Array {
    this.process(containerId);
    for (const name of [...this.processes.keys()]) {
      if (name.startsWith(`${containerId}/`)) this.processes.delete(name);
    }
    return EMPTY;
  }

  #list(): Uint8Array {
    const processes = [...this.processes].map(([name, process]) => ({
      containerId: name.split('/')[0]!,
      execId: name.split('/')[1]!,
      pid: process.exit === undefined ? 2 : 0,
      exit: process.exit === undefined ? undefined : exitOf(process),
      terminal: process.terminal,
      paused: process.paused,
      stdoutWritten: BigInt(process.written('stdout')),
      stdoutAcked: BigInt(process.acked('stdout')),
      stderrWritten: BigInt(process.written('stderr')),
      stderrAcked: BigInt(process.acked('stderr')),
      stdinAccepted: BigInt(process.stdinAccepted),
    }));
    return ListProcessesResponse.encode({ processes }).finish();
  }

  /** Sends up to the window, then waits for acks or more bytes; ends after the exit. */
  async #output(request: OutputRequest, streamId: number): Promise<Uint8Array> {
    const process = this.process(request.containerId, request.execId);
    const name = nameOf(request.containerId, request.execId);
    const generation = this.#generation;
    this.#outputs.set(name, streamId);
    const sent = { stdout: Number(request.stdoutOffset), stderr: Number(request.stderrOffset) };
    for (const stream of ['stdout', 'stderr'] as const) {
      if (sent[stream] < process.acked(stream) || sent[stream] > process.written(stream)) throw new Refusal(OUT_OF_RANGE, `${stream} ${sent[stream]} is not kept`);
    }
    for (;;) {
      if (generation !== this.#generation) return EMPTY;
      if (this.#outputs.get(name) !== streamId) throw new Refusal(10, 'another reader came');
      const moved = this.#sendSome(process, 'stdout', sent, request.window, streamId) || this.#sendSome(process, 'stderr', sent, request.window, streamId);
      if (moved) continue;
      if (process.exit !== undefined && sent.stdout === process.written('stdout') && sent.stderr === process.written('stderr')) {
        this.#raw?.data(streamId, OutputResponse.encode({ event: { $case: 'exit', value: exitOf(process) } }).finish());
        return EMPTY;
      }
      await process.changed();
    }
  }

  #sendSome(process: FakeProcess, stream: StreamName, sent: Record<StreamName, number>, window: number, streamId: number): boolean {
    const end = Math.min(process.written(stream), process.acked(stream) + window, sent[stream] + CHUNK);
    if (end <= sent[stream]) return false;
    const value = { offset: BigInt(sent[stream]), data: process.read(stream, sent[stream], end) };
    this.#raw?.data(streamId, OutputResponse.encode({ event: { $case: stream, value } }).finish());
    sent[stream] = end;
    return true;
  }

  #ack(request: AckRequest): Uint8Array {
    this.acks += 1;
    const process = this.process(request.containerId, request.execId);
    process.ack('stdout', Number(request.stdoutOffset));
    process.ack('stderr', Number(request.stderrOffset));
    return EMPTY;
  }

  #input(request: WriteStdinRequest): Uint8Array {
    const accepted = this.process(request.containerId, request.execId).input(Number(request.offset), request.data, request.eof);
    if (accepted === undefined) throw new Refusal(OUT_OF_RANGE, 'a gap in stdin');
    return WriteStdinResponse.encode({ accepted: BigInt(accepted) }).finish();
  }
}

function exitOf(process: FakeProcess): { status: number; exitedAt: Date; oomKilled: boolean; stdoutEnd: bigint; stderrEnd: bigint } {
  const exit = process.exit!;
  return { ...exit, exitedAt: new Date(1_700_000_000_000), stdoutEnd: BigInt(process.written('stdout')), stderrEnd: BigInt(process.written('stderr')) };
}

function nameOf(containerId: string, execId: string): string {
  return `${containerId}/${execId === containerId ? '' : execId}`;
}

/** A stream's methods, free of `this`. */
function bound(stream: ByteStream): ByteStream {
  return {
    onData: (listener) => { stream.onData(listener); },
    onClose: (listener) => { stream.onClose(listener); },
    write: (chunks) => stream.write(chunks),
    drained: () => stream.drained(),
    pause: () => { stream.pause(); },
    resume: () => { stream.resume(); },
    close: () => { stream.close(); },
  };
}
