import type { ByteStream } from '../../../src/core/ports/host.ts';
import { CreateContainerRequest, WaitProcessRequest, WaitProcessResponse } from '../../../src/gen/agent/container.ts';
import { VersionCheckResponse } from '../../../src/gen/agent/health.ts';
import { GuestDetailsResponse, OOMEvent } from '../../../src/gen/agent/sandbox.ts';
import { CloseStdinRequest, ReadStreamRequest, ReadStreamResponse, WriteStreamRequest, WriteStreamResponse } from '../../../src/gen/agent/stdio.ts';
import type { Handler } from './fake-containers.ts';
import { answer, EMPTY, FakeContainers, INTERNAL, nameOf, NOT_FOUND, Refusal } from './fake-containers.ts';
import type { StreamName } from './fake-process.ts';
import { RawGuest } from './raw-guest.ts';

/** An official kata agent behind a hybrid vsock, with what is dangerous about it: reads forget, waiting discards, doubled calls harm. */
export class FakeKata {
  readonly containers = new FakeContainers();
  readonly calls: string[] = [];
  /** Methods whose requests are swallowed. */
  readonly mute = new Set<string>();
  /** What CONNECT is answered with; undefined closes the stream instead. */
  greeting: string | undefined = 'OK 1073741824\n';
  supportsSeccomp = false;
  /** The most reads and the most stdin writes of one stream that were under way at once. */
  readonly most: Record<string, number> = {};
  shareWiped = false;
  readonly #underWay: Record<string, number> = {};
  readonly #created = new Set<string>();
  #sandboxes = 0;
  #ooms: ((containerId: string) => void)[] = [];

  attach(stream: ByteStream): void {
    let line = '';
    let serve: ((bytes: Uint8Array) => void) | undefined;
    stream.onData((chunk) => {
      if (serve !== undefined) {
        serve(chunk);
        return;
      }
      line += Buffer.from(chunk).toString('latin1');
      if (!line.includes('\n')) return;
      if (this.greeting === undefined) {
        stream.close();
        return;
      }
      serve = this.#serve(stream);
      stream.write([Buffer.from(this.greeting)]);
    });
  }

  oom(containerId: string): void {
    for (const tell of this.#ooms.splice(0)) tell(containerId);
  }

  #serve(stream: ByteStream): (bytes: Uint8Array) => void {
    let receive: (bytes: Uint8Array) => void = () => {};
    const raw = new RawGuest({
      onData: (listener) => { receive = listener; },
      onClose: () => {},
      write: (chunks) => stream.write(chunks),
      drained: async () => {},
      pause: () => {},
      resume: () => {},
      close: () => { stream.close(); },
    });
    raw.onRequest((request) => {
      this.calls.push(request.method);
      if (this.mute.has(request.method)) return;
      void answer(this.#handlers, request, {
        ok: (payload) => { raw.answer(request.streamId, payload); },
        refuse: (code, message) => { raw.refuse(request.streamId, code, `${message}\n\nStack backtrace:\n   0: anyhow`); },
      });
    });
    return (bytes) => { receive(bytes); };
  }

  readonly #handlers: Readonly<Record<string, Handler>> = {
    ...this.containers.handlers,
    Version: () => VersionCheckResponse.encode({ grpcVersion: '0.0.1', agentVersion: '4.1.0' }).finish(),
    CreateSandbox: () => {
      this.#sandboxes += 1;
      this.shareWiped = this.#sandboxes > 1;
      return EMPTY;
    },
    DestroySandbox: () => EMPTY,
    CreateContainer: (payload, request) => {
      const { containerId } = CreateContainerRequest.decode(payload);
      if (!this.#created.has(containerId)) {
        this.#created.add(containerId);
        return this.containers.handlers['CreateContainer']!(payload, request);
      }
      this.containers.processes.delete(nameOf(containerId, ''));
      throw new Refusal(INTERNAL, 'exec fifo exists');
    },
    GetGuestDetails: () => GuestDetailsResponse.encode(GuestDetailsResponse.fromPartial({ agentDetails: { supportsSeccomp: this.supportsSeccomp } })).finish(),
    GetOOMEvent: () => new Promise((resolve) => {
      this.#ooms.push((containerId) => { resolve(OOMEvent.encode({ containerId }).finish()); });
    }),
    ReadStdout: (payload) => this.#read('stdout', ReadStreamRequest.decode(payload)),
    ReadStderr: (payload) => this.#read('stderr', ReadStreamRequest.decode(payload)),
    WriteStdin: (payload) => this.#write(WriteStreamRequest.decode(payload)),
    CloseStdin: (payload) => {
      const { containerId, execId } = CloseStdinRequest.decode(payload);
      const process = this.containers.process(containerId, execId);
      process.input(process.stdinAccepted, EMPTY, true);
      return EMPTY;
    },
    WaitProcess: (payload) => this.#wait(WaitProcessRequest.decode(payload)),
  };

  async #read(stream: StreamName, { containerId, execId, len }: ReadStreamRequest): Promise<Uint8Array> {
    if (len > 64 * 1024) throw new Error('a read this large would end the agent');
    const process = this.containers.process(containerId, execId);
    return await this.#counted(`${stream} ${nameOf(containerId, execId)}`, async () => {
      for (;;) {
        const from = process.acked(stream);
        const data = process.read(stream, from, Math.min(process.written(stream), from + len));
        if (data.length > 0) {
          process.ack(stream, from + data.length);
          return ReadStreamResponse.encode({ data }).finish();
        }
        if (process.exit !== undefined && process.terminal) throw new Refusal(INTERNAL, 'Input/output error (os error 5)');
        if (process.exit !== undefined) return ReadStreamResponse.encode({ data: Buffer.alloc(0) }).finish();
        await process.changed();
      }
    });
  }

  async #write({ containerId, execId, data }: WriteStreamRequest): Promise<Uint8Array> {
    const process = this.containers.process(containerId, execId);
    return await this.#counted(`stdin ${nameOf(containerId, execId)}`, async () => {
      await Promise.resolve();
      process.input(process.stdinAccepted, data, process.terminal && data[0] === 4);
      return WriteStreamResponse.encode({ len: data.length }).finish();
    });
  }

  async #wait({ containerId, execId }: WaitProcessRequest): Promise<Uint8Array> {
    const process = this.containers.process(containerId, execId);
    while (process.exit === undefined) await process.changed();
    for (const stream of ['stdout', 'stderr'] as const) process.ack(stream, process.written(stream));
    if (!this.containers.processes.delete(nameOf(containerId, execId))) throw new Refusal(NOT_FOUND, 'InitProcessNotFound');
    return WaitProcessResponse.encode({ status: process.exit.status }).finish();
  }

  async #counted<T>(name: string, work: () => Promise<T>): Promise<T> {
    const now = (this.#underWay[name] ?? 0) + 1;
    this.#underWay[name] = now;
    this.most[name] = Math.max(this.most[name] ?? 0, now);
    try {
      return await work();
    } finally {
      this.#underWay[name] = (this.#underWay[name] ?? 1) - 1;
    }
  }
}
