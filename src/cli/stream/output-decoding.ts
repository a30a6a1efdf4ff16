import { BinaryReader } from '@bufbuild/protobuf/wire';
import { AttachResponse, ContainerServiceDefinition, ExecResponse, type StreamData } from '../../gen/vivarium/v1/container.ts';
import type { ServerMessage } from './process-call.ts';

/** Tags of proto/vivarium/v1/container.proto: stdout and stderr of ExecResponse and AttachResponse, offset and data of StreamData. */
const STDOUT = (2 << 3) | 2;
const STDERR = (3 << 3) | 2;
const OFFSET = (1 << 3) | 0;
const DATA = (2 << 3) | 2;

/** ExecResponse and AttachResponse have one form. */
interface Envelope {
  message: ServerMessage | undefined;
}

interface Decoder {
  decode(bytes: Uint8Array): Envelope;
}

/** A message of a process's stream whose output is a view of the given bytes, which the generated decoder would copy. Whatever is unusual is left to that. */
export function decodeStreamMessage(generated: Decoder): (bytes: Uint8Array) => Envelope {
  return (bytes) => {
    const reader = new BinaryReader(bytes);
    const tag = bytes.length === 0 ? 0 : reader.uint32();
    if (tag !== STDOUT && tag !== STDERR) return generated.decode(bytes);
    const value = decodeOutput(reader.bytes());
    if (value === undefined || reader.pos < reader.len) return generated.decode(bytes);
    return { message: { $case: tag === STDOUT ? 'stdout' : 'stderr', value } };
  };
}

/** ContainerService with that decoder for what Exec and Attach receive. */
export const STREAMING_CONTAINER_SERVICE = {
  ...ContainerServiceDefinition,
  methods: {
    ...ContainerServiceDefinition.methods,
    exec: { ...ContainerServiceDefinition.methods.exec, responseType: { ...ExecResponse, decode: decodeStreamMessage(ExecResponse) } },
    attach: { ...ContainerServiceDefinition.methods.attach, responseType: { ...AttachResponse, decode: decodeStreamMessage(AttachResponse) } },
  },
} as const;

function decodeOutput(bytes: Uint8Array): StreamData | undefined {
  const reader = new BinaryReader(bytes);
  let offset = 0n;
  let data: Uint8Array = bytes.subarray(0, 0);
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag === OFFSET) offset = BigInt(reader.uint64());
    else if (tag === DATA) data = reader.bytes();
    else return undefined;
  }
  return { offset, data: Buffer.from(data.buffer, data.byteOffset, data.byteLength) };
}
