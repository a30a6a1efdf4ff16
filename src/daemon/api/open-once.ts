import type { MutateOptions, ProcessStream } from '../services/facade.ts';
import type { RequestOnce, StreamStart } from './request-once.ts';

export interface StreamOpeners {
  /** Starts the process, and takes hold of its streams. */
  readonly open: (options: MutateOptions) => Promise<ProcessStream>;
  /** Takes hold of what the same request has started: the exec, or the container's first process. */
  readonly join: (subject: string) => Promise<ProcessStream>;
}

/** Starts a process once for its request id. The same start by another connection takes hold of the same process, as a resume would. */
export async function openOnce(requests: RequestOnce, start: Omit<StreamStart, 'work'>, { open, join }: StreamOpeners, signal: AbortSignal): Promise<ProcessStream> {
  const { requestId } = start;
  if (requestId === '') return await open({ requestId, signal });
  const held: { stream: ProcessStream | undefined; left: boolean } = { stream: undefined, left: false };
  const work: StreamStart['work'] = async (attempt) => {
    held.stream = await open({ requestId, signal: attempt.signal, attempt });
    // Who began this may be gone, while others wait for it.
    if (held.left) held.stream[Symbol.dispose]();
  };
  try {
    const subject = await requests.start({ ...start, work }, signal);
    return held.stream ?? await join(subject);
  } catch (error) {
    held.left = true;
    held.stream?.[Symbol.dispose]();
    throw error;
  }
}
