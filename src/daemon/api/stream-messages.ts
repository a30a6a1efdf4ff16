import type { ExecRequest, ExecResponse, ExecStarted } from '../../gen/vivarium/v1/container.ts';
import type { ProcessStream, StreamEvent } from '../services/facade.ts';
import { modeToWire, phasesToWire } from './convert-common.ts';
import { asBuffer, exitToWire } from './convert-container.ts';
import { OUTPUT_STREAMS } from './enums.ts';

/** Exec and Attach differ in their first message only; the rest has one form on the wire. */
export type ClientMessage = Exclude<NonNullable<ExecRequest['message']>, { $case: 'start' | 'resume' }>;
export type ServerMessage = NonNullable<ExecResponse['message']>;

export function startedToWire(stream: ProcessStream): ServerMessage {
  const value: ExecStarted = {
    execId: stream.execId,
    containerId: stream.containerId,
    sandboxId: stream.sandboxId,
    offsets: { ...stream.offsets },
    stdinOffset: stream.stdinOffset,
    phases: phasesToWire(stream.phases),
    tty: stream.tty,
    mode: modeToWire(stream.mode),
  };
  return { $case: 'started', value };
}

export function streamEventToWire(event: StreamEvent): ServerMessage {
  switch (event.kind) {
    case 'stdout':
    case 'stderr':
      return { $case: event.kind, value: { offset: event.offset, data: asBuffer(event.data) } };
    case 'lost':
      return { $case: 'lost', value: { stream: OUTPUT_STREAMS[event.stream], from: event.from, to: event.to } };
    case 'exit':
      return { $case: 'exit', value: exitToWire(event.exit) };
  }
}

/** Bytes that a message holds, for the bound of a queue. */
export function dataBytes(message: ServerMessage): number {
  return message.$case === 'stdout' || message.$case === 'stderr' ? message.value.data.length : 0;
}
