import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { Server, Socket } from 'node:net';

/** Passes bytes between unix sockets until it is cut: to both sides the peer is then suddenly gone. */
export class CuttableWire implements AsyncDisposable {
  readonly path: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(path: string, target: string) {
    this.path = path;
    this.#server = createServer((near) => {
      const far = connect(target);
      for (const socket of [near, far]) {
        this.#sockets.add(socket);
        socket.on('error', () => { this.cut(); });
      }
      near.pipe(far);
      far.pipe(near);
    });
  }

  static async open(path: string, target: string): Promise<CuttableWire> {
    const wire = new CuttableWire(path, target);
    await once(wire.#server.listen(path), 'listening');
    return wire;
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Takes no more from either side: to the server, the client does not read. */
  stall(): void {
    for (const socket of this.#sockets) socket.unpipe().pause();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
