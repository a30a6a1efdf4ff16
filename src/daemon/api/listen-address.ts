import { isIPv4, isIPv6 } from 'node:net';
import { DomainError } from '../../core/model/errors.ts';

export type ListenAddress = { readonly kind: 'unix'; readonly path: string } | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

/** sun_path of a Linux unix socket has 108 bytes with the closing NUL; one is for the name that the socket has while it is made. */
export const MAX_SOCKET_PATH_BYTES = 106;

/** `unix:/path` or `tcp:HOST:PORT` with a loopback address. HOST_RESOURCE says what is wrong with any other. */
export function parseListenAddress(text: string): ListenAddress {
  if (text.startsWith('unix:')) return { kind: 'unix', path: checkSocketPath(text.slice('unix:'.length).replace(/^\/\//, '')) };
  const tcp = /^tcp:(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  if (tcp === null) throw refused(`${JSON.stringify(text)} is neither unix:/PATH nor tcp:ADDRESS:PORT`);
  const host = tcp[1] ?? tcp[2] ?? '';
  const port = Number(tcp[3]);
  if (!isLoopback(host)) throw refused(`the API has no authentication of its own, so it is served on a loopback address only, and ${host} is none`);
  if (port > 65_535) throw refused(`${port} is not a port`);
  return { kind: 'tcp', host, port };
}

/** A literal loopback address; a name could be resolved to something else. */
export function isLoopback(host: string): boolean {
  return (isIPv4(host) && host.startsWith('127.')) || (isIPv6(host) && host === '::1');
}

function checkSocketPath(path: string): string {
  if (!path.startsWith('/') || path.includes('\0')) throw refused(`the socket's path must be absolute, and ${JSON.stringify(path)} is not`);
  const length = Buffer.byteLength(path);
  if (length > MAX_SOCKET_PATH_BYTES) throw refused(`the socket's path has ${length} bytes, at most ${MAX_SOCKET_PATH_BYTES} are possible: ${path}`);
  return path;
}

function refused(message: string): DomainError {
  return new DomainError('HOST_RESOURCE', `can't listen: ${message}`, { remedy: 'give --listen unix:/PATH with a short absolute path' });
}
