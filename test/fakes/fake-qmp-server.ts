import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { once } from 'node:events';
import { LineSplitter, parseJsonLine } from '../../src/base/json-lines.ts';

export interface QmpRequest {
  readonly execute: string;
  readonly arguments: unknown;
  readonly id: string;
}

type Handler = (request: QmpRequest, server: FakeQmpServer) => unknown;

/**
 * The VMM's side of QMP on a real socket: one client at a time, as QEMU does it. A handler gives a command's result, throws for an error,
 * and answers nothing for `NO_ANSWER`.
 */
export class FakeQmpServer implements AsyncDisposable {
  static readonly NO_ANSWER = Symbol('no answer');
  readonly requests: string[] = [];
  readonly #server: Server;
  readonly #handlers: Readonly<Record<string, Handler>>;
  #client: Socket | undefined;

  static async listen(path: string, handlers: Readonly<Record<string, Handler>> = {}): Promise<FakeQmpServer> {
    const fake = new FakeQmpServer(handlers);
    fake.#server.listen(path);
    await once(fake.#server, 'listening');
    return fake;
  }

  private constructor(handlers: Readonly<Record<string, Handler>>) {
    this.#handlers = handlers;
    this.#server = createServer((socket) => { this.#serve(socket); });
  }

  /** Resolves when the next client is there. */
  async nextClient(): Promise<void> {
    await once(this.#server, 'connection');
  }

  send(text: string): void {
    this.#client?.write(text);
  }

  event(name: string, data: object = {}): void {
    this.send(`${JSON.stringify({ timestamp: { seconds: 1, microseconds: 0 }, event: name, data })}\r\n`);
  }

  dropClient(): void {
    this.#client?.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client?.destroy();
    await new Promise<void>((resolve) => { this.#server.close(() => { resolve(); }); });
  }

  #serve(socket: Socket): void {
    this.#client = socket;
    socket.on('error', () => { socket.destroy(); });
    const lines = new LineSplitter();
    socket.on('data', (chunk) => {
      for (const line of lines.push(chunk)) this.#answer(parseJsonLine(line) as QmpRequest);
    });
    this.send('{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "fake"}, "capabilities": ["oob"]}}\r\n');
  }

  #answer(request: QmpRequest): void {
    this.requests.push(request.execute);
    const handler = this.#handlers[request.execute] ?? ((): unknown => ({}));
    try {
      const result = handler(request, this);
      if (result !== FakeQmpServer.NO_ANSWER) this.send(`${JSON.stringify({ return: result, id: request.id })}\r\n`);
    } catch (error) {
      this.send(`${JSON.stringify({ error: { class: 'GenericError', desc: (error as Error).message }, id: request.id })}\r\n`);
    }
  }
}
