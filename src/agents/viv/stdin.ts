import { BinaryWriter } from '@bufbuild/protobuf/wire';

import type { ProcessKey } from '../../core/ports/agent.ts';
import type { WaitOptions } from '../../core/ports/host.ts';
import type { TtrpcClient } from '../ttrpc/client.ts';
import { orProtocolError } from '../ttrpc/message.ts';
import { VIV } from './services.ts';

/** One call carries no more, so that others get their turn on the channel. */
const PIECE_BYTES = 256 * 1024;

export interface StdinWrite {
  readonly key: ProcessKey;
  readonly offset: bigint;
  readonly data: Uint8Array;
  readonly eof: boolean;
}

/** Sends it in pieces, all under way at once: the agent orders them by offset. Resolves with the offset below which everything is accepted. */
export async function writeStdin(client: TtrpcClient, write: StdinWrite, options: WaitOptions): Promise<bigint> {
  const answers: Promise<bigint>[] = [];
  for (let at = 0; at === 0 || at < write.data.length; at += PIECE_BYTES) {
    const data = write.data.subarray(at, at + PIECE_BYTES);
    const last = at + PIECE_BYTES >= write.data.length;
    answers.push(writePiece(client, { ...write, offset: write.offset + BigInt(at), data, eof: write.eof && last }, options));
  }
  const accepted = await Promise.all(answers);
  return accepted.reduce((most, offset) => (offset > most ? offset : most), 0n);
}

async function writePiece(client: TtrpcClient, write: StdinWrite, options: WaitOptions): Promise<bigint> {
  const { service, name, timeoutMs, response } = VIV.writeStdin;
  const answer = await client.callRaw({ service, name, timeoutMs, payload: encodeWrite(write) }, options);
  return orProtocolError('an answer to WriteStdin', () => response.decode(answer)).accepted;
}

const CONTAINER_ID = (1 << 3) | 2;
const EXEC_ID = (2 << 3) | 2;
const OFFSET = (3 << 3) | 0;
const DATA = (4 << 3) | 2;
const EOF = (5 << 3) | 0;

/** A WriteStdinRequest whose data comes last, as it is: the generated encoder would copy it. */
function encodeWrite({ key, offset, data, eof }: StdinWrite): readonly Uint8Array[] {
  const writer = new BinaryWriter().uint32(CONTAINER_ID).string(key.containerId);
  if (key.execId !== undefined) writer.uint32(EXEC_ID).string(key.execId);
  writer.uint32(OFFSET).uint64(offset);
  if (eof) writer.uint32(EOF).bool(true);
  if (data.length === 0) return [writer.finish()];
  return [writer.uint32(DATA).uint32(data.length).finish(), data];
}
