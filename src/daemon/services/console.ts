import { AsyncQueue } from '../../base/async-queue.ts';
import { DomainError } from '../../core/model/errors.ts';
import type { ByteStream, WaitOptions } from '../../core/ports/host.ts';
import type { ConsoleSession } from './facade.ts';
import type { SandboxUnit } from './sandbox-unit.ts';

const REPLAY_BYTES = 1024 * 1024;
const QUEUE_BYTES = 1024 * 1024;
const DIAL_MS = 2000;

/** The serial console of a VM: what the launcher keeps of it, then what comes, and a way to type. */
export async function openConsole(unit: SandboxUnit, how: { readonly replay: boolean; readonly follow: boolean }, options: WaitOptions): Promise<ConsoleSession> {
  const { session } = unit;
  if (session === undefined) {
    return recorded(unit.record.consoleTail);
  }
  const queue = new AsyncQueue<Uint8Array>(QUEUE_BYTES, (chunk) => chunk.length);
  const stream = how.follow ? await unit.deps.dialer.dial(session.consoleSocket, { deadlineMs: DIAL_MS, signal: options.signal }) : undefined;
  const past = how.replay ? await session.consoleTail(REPLAY_BYTES) : '';
  if (past !== '') queue.tryPush(new TextEncoder().encode(past));
  if (stream === undefined) queue.end();
  else pump(stream, queue);
  return {
    output: queue,
    write: async (data) => {
      if (stream === undefined) throw new DomainError('INVALID_REQUEST', 'this console is only shown', { sandboxId: unit.id, remedy: 'open it with follow to type' });
      if (!stream.write([data])) await stream.drained();
    },
    [Symbol.dispose]: () => {
      stream?.close();
      queue.end();
    },
  };
}

function pump(stream: ByteStream, queue: AsyncQueue<Uint8Array>): void {
  stream.onData((chunk) => {
    if (queue.tryPush(chunk)) return;
    stream.pause();
    void queue.push(chunk).then(() => { stream.resume(); });
  });
  stream.onClose(() => { queue.end(); });
}

function recorded(text: string): ConsoleSession {
  const queue = new AsyncQueue<Uint8Array>(QUEUE_BYTES, (chunk) => chunk.length);
  if (text !== '') queue.tryPush(new TextEncoder().encode(text));
  queue.end();
  return {
    output: queue,
    write: async () => { throw new DomainError('WRONG_STATE', 'the VM has ended', { remedy: 'start the sandbox again' }); },
    [Symbol.dispose]: () => undefined,
  };
}
