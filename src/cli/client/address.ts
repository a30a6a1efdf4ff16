import { UsageError } from '../cli-error.ts';

export const defaultAddress = 'unix:/run/vivarium/vivd.sock';

// sun_path of sockaddr_un is 108 bytes with its terminating zero (unix(7)); Node would cut a longer path silently.
const maxSocketPathBytes = 107;

export interface DaemonAddress {
  /** As people write it: `unix:/run/vivarium/vivd.sock`. */
  readonly text: string;
  /** As the gRPC library takes it. */
  readonly target: string;
  /** Undefined over TCP. */
  readonly socketPath: string | undefined;
}

/**
 * Reads `unix:/path`, `unix:///path`, a bare absolute path, or `tcp:HOST:PORT`.
 * @throws {UsageError} for every other form, and for a path that does not fit a socket address.
 */
export function parseAddress(text: string): DaemonAddress {
  const tcp = /^tcp:(?:\/\/)?(\[[0-9a-fA-F:]+\]|[\w.-]+):(\d{1,5})$/.exec(text);
  if (tcp !== null) return { text, target: `dns:${tcp[1] ?? ''}:${tcp[2] ?? ''}`, socketPath: undefined };
  const match = /^(?:unix:(?:\/\/)?)?(\/.+)$/.exec(text);
  const socketPath = match?.[1];
  if (socketPath === undefined) {
    throw new UsageError(`"${text}" is no address of a daemon`, 'write it as unix:/path/to/vivd.sock or tcp:127.0.0.1:PORT (--host or VIVARIUM_HOST)');
  }
  const bytes = Buffer.byteLength(socketPath);
  if (bytes > maxSocketPathBytes) {
    throw new UsageError(`the socket path is ${bytes} bytes long, a Unix socket takes ${maxSocketPathBytes}`, 'choose a shorter directory');
  }
  return { text: `unix:${socketPath}`, target: `unix://${socketPath}`, socketPath };
}
