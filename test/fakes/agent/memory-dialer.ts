import type { ByteStream, SocketDialer } from '../../../src/core/ports/host.ts';

/** Every dial is a new connection, whose guest end `accept` gets. */
export class MemoryDialer implements SocketDialer {
  readonly paths: string[] = [];
  readonly #connect: () => ByteStream;

  constructor(connect: () => ByteStream) {
    this.#connect = connect;
  }

  async dial(path: string): Promise<ByteStream> {
    this.paths.push(path);
    return this.#connect();
  }
}
