import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { AttachResponse, ContainerServiceDefinition, ExecResponse } from '../../gen/vivarium/v1/container.ts';
import type { ServerMessage } from './stream-messages.ts';

/** Tags of proto/vivarium/v1/container.proto: stdout and stderr of ExecResponse and AttachResponse, offset and data of StreamData. */
const TAGS = { stdout: (2 << 3) | 2, stderr: (3 << 3) | 2, offset: (1 << 3) | 0, data: (2 << 3) | 2 } as const;

interface Encoded {
  finish(): Uint8Array;
}

interface Encoder<Message> {
  encode(message: Message): Encoded;
}

/**
 * A message of a process's stream with its output copied once. The generated encoder copies every byte three times, into a buffer that it zeroes
 * first: at full speed that is most of what the daemon does.
 */
export function encodeStreamMessage<Message extends { readonly message: ServerMessage | undefined }>(generated: Encoder<Message>): (message: Message) => Encoded {
  return (envelope) => {
    const { message } = envelope;
    if (message?.$case !== 'stdout' && message?.$case !== 'stderr') return generated.encode(envelope);
    return encodeOutput(TAGS[message.$case], message.value.offset, message.value.data);
  };
}

/** ContainerService with that encoder for what Exec and Attach send. */
export const STREAMING_CONTAINER_SERVICE = {
  ...ContainerServiceDefinition,
  methods: {
    ...ContainerServiceDefinition.methods,
    exec: { ...ContainerServiceDefinition.methods.exec, responseType: { ...ExecResponse, encode: encodeStreamMessage(ExecResponse) } },
    attach: { ...ContainerServiceDefinition.methods.attach, responseType: { ...AttachResponse, encode: encodeStreamMessage(AttachResponse) } },
  },
} as const;

function encodeOutput(tag: number, offset: bigint, data: Uint8Array): Encoded {
  // As proto3 has it: what is zero or empty is left out.
  const fields = new BinaryWriter();
  if (offset !== 0n) fields.uint32(TAGS.offset).uint64(offset);
  if (data.length > 0) fields.uint32(TAGS.data).uint32(data.length);
  const head = fields.finish();
  const front = new BinaryWriter().uint32(tag).uint32(head.length + data.length).raw(head).finish();
  const bytes = Buffer.allocUnsafeSlow(front.length + data.length);
  bytes.set(front);
  bytes.set(data, front.length);
  return { finish: () => bytes };
}
