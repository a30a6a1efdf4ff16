import { toDomainError } from '../../core/model/errors.ts';
import { KATA } from '../methods.ts';
import type { TtrpcClient } from '../ttrpc/client.ts';

/** The agent sets so much memory aside for each read before it reads: a large number ends it. */
const READ_BYTES = 64 * 1024;

/** A terminal whose process is gone answers EIO, not an end. */
const TERMINAL_END = /input\/output error|os error 5\b/i;

/** The next bytes of a stream, as soon as there are any; none at its end. */
export async function readOutput(client: TtrpcClient, key: { containerId: string; execId: string }, stream: 'stdout' | 'stderr'): Promise<Uint8Array> {
  const method = stream === 'stdout' ? KATA.readStdout : KATA.readStderr;
  try {
    return (await client.call(method, { ...key, len: READ_BYTES })).data;
  } catch (error) {
    const { reason, message } = toDomainError(error);
    if (reason === 'AGENT_REFUSED' && TERMINAL_END.test(message)) return new Uint8Array(0);
    throw error;
  }
}
