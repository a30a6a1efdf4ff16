import { addAbortListener } from 'node:events';
import { reasonOf } from '../../base/abort.ts';
import { AsyncQueue } from '../../base/async-queue.ts';
import type { ConsoleSession } from '../services/facade.ts';

const OUTPUT_QUEUE_BYTES = 256 * 1024;

/**
 * Joins one client with a VM's console: output until it ends or the signal aborts, input as it comes. A client that closes its side goes on
 * reading. Rejects with the signal's reason or the first failure.
 */
export async function* pumpConsole(session: ConsoleSession, input: AsyncIterable<Uint8Array>, signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
  const outbox = new AsyncQueue<Uint8Array>(OUTPUT_QUEUE_BYTES, (chunk) => chunk.length);
  const fail = (error: unknown): void => { outbox.fail(error); };
  if (signal.aborted) throw reasonOf(signal);
  const listener = addAbortListener(signal, () => { fail(reasonOf(signal)); });
  try {
    copyOutput(session, outbox).catch(fail);
    copyInput(session, input).catch(fail);
    yield* outbox;
  } finally {
    listener[Symbol.dispose]();
  }
}

async function copyOutput(session: ConsoleSession, outbox: AsyncQueue<Uint8Array>): Promise<void> {
  for await (const chunk of session.output) {
    if (!(await outbox.push(chunk))) return;
  }
  outbox.end();
}

async function copyInput(session: ConsoleSession, input: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const data of input) await session.write(data);
}
