import { watch } from 'node:fs';
import { createConnection } from 'node:net';
import type { Socket } from 'node:net';
import { basename, dirname } from 'node:path';
import { deferred, raceSignal, reasonOf, throwIfAborted } from '../base/abort.ts';
import { DomainError } from '../core/model/errors.ts';
import type { ByteStream, Clock, SocketDialer } from '../core/ports/host.ts';
import { errnoOf } from './files.ts';
import { SocketStream } from './socket-stream.ts';

/** sun_path of unix(7) has 108 bytes, one of them for the final NUL. A longer path is cut silently by some, so it is refused. */
export const MAX_SOCKET_PATH_BYTES = 107;
/** Bound but not yet listening: over in microseconds. */
const REFUSED_RETRY_MS = 1;
/** Waiting for a name to appear is done by inotify; this is the longest that a missed notice may cost. */
const LONGEST_RETRY_MS = 25;
/** The peer does not listen yet, or its backlog is full for a moment. */
const TRY_AGAIN = new Set(['ENOENT', 'ECONNREFUSED', 'EAGAIN']);

/** Connects to Unix sockets. */
export class UnixDialer implements SocketDialer {
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async dial(path: string, options: { deadlineMs: number; signal?: AbortSignal | undefined }): Promise<ByteStream> {
    throwIfAborted(options.signal);
    if (Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES) {
      throw new DomainError('HOST_RESOURCE', `socket path is longer than ${MAX_SOCKET_PATH_BYTES} bytes: ${path}`, { remedy: 'use a shorter run directory (--run)' });
    }
    const until = this.#clock.monotonicMs() + options.deadlineMs;
    using arrival = new Arrival(path, this.#clock);
    for (let attempt = 0; ; attempt += 1) {
      // The first attempt goes without a watch: mostly the peer listens already.
      if (attempt > 0) arrival.arm();
      const result = await connectOnce(path, options.signal);
      if (!(result instanceof Error)) return new SocketStream(result);
      const errno = errnoOf(result);
      if (errno === undefined || !TRY_AGAIN.has(errno)) {
        throw new DomainError('HOST_RESOURCE', `cannot connect to ${path}: ${result.message}`, { facts: { path, errno: errno ?? '' }, cause: result });
      }
      const left = until - this.#clock.monotonicMs();
      if (left <= 0) {
        throw new DomainError('DEADLINE', `nothing listened on ${path} within ${options.deadlineMs} ms (${errno})`, { facts: { path, errno }, cause: result });
      }
      if (attempt === 0) continue;
      // A name that is there and refuses is listened on in a moment, or is left over by the dead: soon, then ever less often.
      const pause = errno === 'ENOENT' ? LONGEST_RETRY_MS : Math.min(REFUSED_RETRY_MS * 2 ** Math.max(0, attempt - 8), LONGEST_RETRY_MS);
      await raceSignal(arrival.wait(Math.min(pause, left)), options.signal);
    }
  }
}

/** Resolves with the socket, or with the error of this one attempt; rejects with the signal's reason. */
async function connectOnce(path: string, signal: AbortSignal | undefined): Promise<Socket | Error> {
  throwIfAborted(signal);
  // Nothing is read before a listener asks for it: the stream starts paused.
  const socket = createConnection({ path, allowHalfOpen: false });
  return await new Promise<Socket | Error>((resolve, reject) => {
    const aborted = (): void => {
      socket.destroy();
      if (signal !== undefined) reject(reasonOf(signal));
    };
    const settle = (result: Socket | Error): void => {
      signal?.removeEventListener('abort', aborted);
      socket.removeAllListeners('connect');
      socket.removeAllListeners('error');
      resolve(result);
    };
    signal?.addEventListener('abort', aborted, { once: true });
    socket.once('connect', () => { settle(socket); });
    socket.once('error', (error) => {
      settle(error);
      socket.destroy();
    });
  });
}

/** Tells when a name appears in its directory, by inotify where there is one to be had, else by time alone. */
class Arrival implements Disposable {
  readonly #path: string;
  readonly #clock: Clock;
  #watcher: ReturnType<typeof watch> | undefined;
  #seen = deferred<undefined>();

  constructor(path: string, clock: Clock) {
    this.#path = path;
    this.#clock = clock;
  }

  /** Begins to watch and forgets what was seen before: called ahead of each attempt, so that nothing slips in between. */
  arm(): void {
    this.#seen = deferred<undefined>();
    if (this.#watcher !== undefined) return;
    try {
      this.#watcher = watch(dirname(this.#path), { persistent: false }, (_kind, name) => {
        if (name === basename(this.#path)) this.#seen.resolve(undefined);
      });
      // The directory may go, or inotify run out: then time alone has to do.
      this.#watcher.on('error', () => { this.#stop(); });
    } catch {
      this.#watcher = undefined;
    }
  }

  async wait(ms: number): Promise<void> {
    const over = deferred<undefined>();
    const timer = this.#clock.timer(ms, () => { over.resolve(undefined); });
    try {
      await Promise.race([this.#seen.promise, over.promise]);
    } finally {
      timer[Symbol.dispose]();
    }
  }

  #stop(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  [Symbol.dispose](): void {
    this.#stop();
  }
}
