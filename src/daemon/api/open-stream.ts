import type { AttachRequest, ExecRequest } from '../../gen/vivarium/v1/container.ts';
import type { ContainerOperations, ProcessStream } from '../services/facade.ts';
import { parsed } from './field-errors.ts';
import { checkReference, checkRequestId } from './validate-fields.ts';
import { offsetsFromWire, parseExecStart } from './validate-process.ts';

export const STREAM_OPENERS = ['start', 'resume'] as const;
type Opener = (typeof STREAM_OPENERS)[number];

export interface OpenedStream {
  readonly stream: ProcessStream;
  /** Whether this client may write stdin, and so end it. */
  readonly takesStdin: boolean;
}

/** Starts a process, or joins one again. Its client has 1 MiB a stream from the offsets on. */
export async function openExec(containers: ContainerOperations, message: Extract<ExecRequest['message'], { $case: Opener }>, signal: AbortSignal): Promise<OpenedStream> {
  if (message.$case === 'start') {
    const { containerRef, spec, requestId } = parseExecStart(message.value);
    return { stream: await containers.exec(containerRef, spec, { requestId, signal }), takesStdin: spec.stdin };
  }
  const { value } = message;
  const execId = parsed((errors) => checkReference(errors, 'resume.exec_id', value.execId));
  return { stream: await containers.resumeExec(execId, offsetsFromWire(value.offsets), { signal }), takesStdin: true };
}

/** Joins the streams of a container's first process. */
export async function openAttach(containers: ContainerOperations, message: Extract<AttachRequest['message'], { $case: Opener }>, signal: AbortSignal): Promise<OpenedStream> {
  if (message.$case === 'start') {
    const { value } = message;
    const { ref, requestId } = parsed((errors) => ({
      ref: checkReference(errors, 'start.container_id', value.containerId),
      requestId: checkRequestId(errors, value.requestId, 'start.request_id'),
    }));
    const how = { stdin: value.stdin, replay: value.replay, from: undefined, start: value.startContainer };
    return { stream: await containers.attach(ref, how, { requestId, signal }), takesStdin: value.stdin };
  }
  const { value } = message;
  const ref = parsed((errors) => checkReference(errors, 'resume.container_id', value.containerId));
  const how = { stdin: value.stdin, replay: false, from: offsetsFromWire(value.offsets), start: false };
  return { stream: await containers.attach(ref, how, { requestId: '', signal }), takesStdin: value.stdin };
}
