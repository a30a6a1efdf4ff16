import { BinaryReader } from '@bufbuild/protobuf/wire';

import { Exit } from '../../gen/vivarium/agent/v1/stream.ts';
import { orProtocolError } from '../ttrpc/message.ts';
import { skipField } from '../ttrpc/skip-field.ts';

/** An OutputResponse of proto/vivarium/agent/v1/stream.proto. */
export type OutputMessage =
  | { readonly kind: 'stdout' | 'stderr'; readonly offset: bigint; readonly data: Uint8Array }
  | { readonly kind: 'exit'; readonly exit: Exit };

const STDOUT = (1 << 3) | 2;
const STDERR = (2 << 3) | 2;
const EXIT = (3 << 3) | 2;
const CHUNK_OFFSET = (1 << 3) | 0;
const CHUNK_DATA = (2 << 3) | 2;

/**
 * Reads one message of the Output stream. The data is a view of the given bytes: the generated decoder would copy every byte of output.
 * Undefined for a kind that this version does not know.
 */
export function decodeOutput(bytes: Uint8Array): OutputMessage | undefined {
  return orProtocolError('a piece of output', () => {
    const reader = new BinaryReader(bytes);
    let found: OutputMessage | undefined;
    while (reader.pos < reader.len) {
      const tag = reader.uint32();
      if (tag === STDOUT) found = decodeChunk('stdout', reader.bytes());
      else if (tag === STDERR) found = decodeChunk('stderr', reader.bytes());
      else if (tag === EXIT) found = { kind: 'exit', exit: Exit.decode(reader.bytes()) };
      else skipField(reader, tag);
    }
    return found;
  });
}

function decodeChunk(kind: 'stdout' | 'stderr', bytes: Uint8Array): OutputMessage {
  const reader = new BinaryReader(bytes);
  let offset = 0n;
  let data = bytes.subarray(0, 0);
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag === CHUNK_OFFSET) offset = BigInt(reader.uint64());
    else if (tag === CHUNK_DATA) data = reader.bytes();
    else skipField(reader, tag);
  }
  return { kind, offset, data };
}
