import { once } from 'node:events';
import type { OutputStream } from '../host.ts';

/** Writes, and waits when the reader is slower than we are. Rejects when `signal` aborts meanwhile. */
export async function writeAll(stream: OutputStream, data: Uint8Array | string, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  if (!stream.write(data)) await once(stream, 'drain', { signal });
}
