import { DomainError, toDomainError } from '../../core/model/errors.ts';
import type { ByteStream, SocketDialer } from '../../core/ports/host.ts';

export interface Wait {
  /** From now. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** Dials the VMM's socket. It is there as soon as the VMM runs, so its absence at the deadline is a boot that failed: BOOT_TIMEOUT. */
export async function dialInTime(dialer: SocketDialer, path: string, wait: Wait): Promise<ByteStream> {
  try {
    return await dialer.dial(path, { deadlineMs: wait.timeoutMs, signal: wait.signal });
  } catch (error) {
    if (toDomainError(error).reason !== 'DEADLINE') throw error;
    throw new DomainError('BOOT_TIMEOUT', `the VMM did not open its agent socket ${path} within ${Math.ceil(wait.timeoutMs)} ms`, {
      remedy: 'look at the output of the VMM',
      cause: error,
    });
  }
}
