import type { AttachRequest, AttachStart, ContainerServiceDefinition, ExecRequest, ExecResponse, ExecStart, ExecStarted, StreamOffsets } from '../../gen/vivarium/v1/container.ts';
import type { Client } from 'nice-grpc';

type ExecMessage = NonNullable<ExecRequest['message']>;
type AttachMessage = NonNullable<AttachRequest['message']>;
type Opening = { readonly $case: 'start' | 'resume' };

/** What a client sends once the stream stands; Exec and Attach have the same. */
export type ClientMessage = Exclude<ExecMessage, Opening>;
export type ServerMessage = NonNullable<ExecResponse['message']>;

/** A stream to a process, by Exec or by Attach: how it is opened, and opened again after it broke. */
export interface ProcessCall {
  /** @param resumeFrom where to go on; absent for the first time */
  open(resumeFrom: ResumePoint | undefined, messages: AsyncIterable<ClientMessage>, signal: AbortSignal): AsyncIterable<ServerMessage | undefined>;
}

export interface ResumePoint {
  readonly started: ExecStarted;
  readonly offsets: StreamOffsets;
}

type Containers = Client<typeof ContainerServiceDefinition>;

export function execCall(containers: Containers, start: ExecStart): ProcessCall {
  return {
    async *open(from, messages, signal) {
      const opening: ExecMessage = from === undefined
        ? { $case: 'start', value: start }
        : { $case: 'resume', value: { execId: from.started.execId, containerId: from.started.containerId, offsets: from.offsets } };
      for await (const { message } of containers.exec(envelopes<ExecMessage>(opening, messages), { signal })) yield message;
    },
  };
}

export function attachCall(containers: Containers, start: AttachStart): ProcessCall {
  return {
    async *open(from, messages, signal) {
      const opening: AttachMessage = from === undefined
        ? { $case: 'start', value: start }
        : { $case: 'resume', value: { containerId: from.started.containerId, offsets: from.offsets, stdin: start.stdin } };
      for await (const { message } of containers.attach(envelopes<AttachMessage>(opening, messages), { signal })) yield message;
    },
  };
}

async function* envelopes<Message>(opening: Message, rest: AsyncIterable<Message>): AsyncGenerator<{ message: Message }> {
  yield { message: opening };
  for await (const message of rest) yield { message };
}
