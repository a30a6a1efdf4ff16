import type { ByteStream } from '../../../src/core/ports/host.ts';
import {
  AckRequest, EventsResponse, InfoResponse, ListProcessesResponse, OutputRequest, OutputResponse, WriteStdinRequest, WriteStdinResponse,
} from '../../../src/gen/vivarium/agent/v1/stream.ts';
import type { Handler } from './fake-containers.ts';
import { answer, EMPTY, FakeContainers, nameOf, OUT_OF_RANGE, Refusal } from './fake-containers.ts';
import type { FakeProcess, StreamName } from './fake-process.ts';
import { GuestLink } from './guest-link.ts';
import type { RawRequest } from './raw-guest.ts';
import { RawGuest } from './raw-guest.ts';

const ABORTED = 10;
const CHUNK = 64 * 1024;

/** viv-agent as its protocol describes it, in memory: one guest that outlives its connections. */
export class FakeGuest {
  readonly containers = new FakeContainers();
  readonly link: GuestLink;
  readonly calls: string[] = [];
  /** Methods whose requests are swallowed. */
  readonly mute = new Set<string>();
  /** What it says that it can do. */
  features: readonly string[] = ['streams-v1', 'link-v1', 'names-v1'];
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
    this.#tell({ $case: 'oom', value: { containerId } });
  }

  created(containerId: string, pid: number): void {
    this.#tell({ $case: 'containerCreated', value: { containerId, pid } });
  }

  process(containerId: string, execId = ''): FakeProcess {
    return this.containers.process(containerId, execId);
  }

  /** Puts bytes on the wire as they are. */
  noise(bytes: Uint8Array): void {
    this.#stream?.write([bytes]);
  }

  #tell(event: EventsResponse['event']): void {
    if (this.#events !== undefined) this.#raw?.data(this.#events, EventsResponse.encode({ event }).finish());
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
    const current = (): boolean => generation === this.#generation;
    await answer(this.#handlers, request, {
      ok: (payload) => { if (current()) raw.answer(request.streamId, payload); },
      refuse: (code, message) => { if (current()) raw.refuse(request.streamId, code, message); },
    });
  }

  readonly #handlers: Readonly<Record<string, Handler>> = {
    ...this.containers.handlers,
    DestroySandbox: () => {
      this.#stream?.close();
      return EMPTY;
    },
    Info: () => InfoResponse.encode(InfoResponse.fromPartial({ agentVersion: 'fake', kernelRelease: '6.1', bootId: 'b', memoryBytes: 1n << 28n, onlineCpus: 1, features: [...this.features] })).finish(),
    ListProcesses: () => this.#list(),
    Events: (_, request) => {
      this.#events = request.streamId;
      return new Promise<Uint8Array>(() => {});
    },
    Output: (payload, request) => this.#output(OutputRequest.decode(payload), request.streamId),
    Ack: (payload) => this.#ack(AckRequest.decode(payload)),
    WriteStdin: (payload) => this.#input(WriteStdinRequest.decode(payload)),
  };

  #list(): Uint8Array {
    const processes = [...this.containers.processes].map(([name, process]) => ({
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
      if (this.#outputs.get(name) !== streamId) throw new Refusal(ABORTED, 'another reader came');
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
