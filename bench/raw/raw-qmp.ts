import { once } from 'node:events';
import { createConnection } from 'node:net';
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { deferred } from '../../src/base/abort.ts';
import type { Deferred } from '../../src/base/abort.ts';

/** A line of the monitor's that is an event. */
export interface QmpEvent {
  readonly event: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

type Line = Partial<QmpEvent> & { readonly return?: unknown; readonly error?: { readonly desc: string } };

/** A monitor by hand: one command after the other, and events as they come. */
export class RawQmp implements Disposable {
  readonly #socket: Socket;
  #reply: Deferred<unknown> | undefined;
  readonly #awaited = new Set<{ readonly fits: (event: QmpEvent) => boolean; readonly heard: Deferred<undefined> }>();

  private constructor(socket: Socket) {
    this.#socket = socket;
    createInterface({ input: socket }).on('line', (text) => { this.#hear(JSON.parse(text) as Line); });
    socket.once('close', () => { this.#reply?.reject(new Error('the monitor was closed')); });
  }

  static async connect(path: string, signal: AbortSignal): Promise<RawQmp> {
    const socket = createConnection(path);
    await once(socket, 'connect', { signal });
    const qmp = new RawQmp(socket);
    await qmp.execute('qmp_capabilities');
    return qmp;
  }

  async execute(command: string, args: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    const reply = deferred<unknown>();
    this.#reply = reply;
    this.#socket.write(`${JSON.stringify({ execute: command, arguments: args })}\n`);
    return await reply.promise;
  }

  /** The next event that fits; to be asked for before what brings it. */
  async next(fits: (event: QmpEvent) => boolean): Promise<void> {
    const waiter = { fits, heard: deferred<undefined>() };
    this.#awaited.add(waiter);
    await waiter.heard.promise;
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }

  #hear({ event, data, return: value, error }: Line): void {
    if (event !== undefined) {
      const heard = { event, ...(data === undefined ? {} : { data }) };
      for (const waiter of this.#awaited) {
        if (!waiter.fits(heard)) continue;
        this.#awaited.delete(waiter);
        waiter.heard.resolve(undefined);
      }
    }
    if (error !== undefined) this.#reply?.reject(new Error(error.desc));
    else if (value !== undefined) this.#reply?.resolve(value);
  }
}
