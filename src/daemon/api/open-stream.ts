import { AttachStart, ExecStart } from '../../gen/vivarium/v1/container.ts';
import type { AttachRequest, ExecRequest } from '../../gen/vivarium/v1/container.ts';
import type { ContainerOperations, MutateOptions, ProcessStream } from '../services/facade.ts';
import { parsed } from './field-errors.ts';
import { openOnce } from './open-once.ts';
import { digestOf } from './request-methods.ts';
import type { RequestOnce } from './request-once.ts';
import { checkOptionalReference, checkReference, checkRequestId } from './validate-fields.ts';
import { offsetsFromWire, parseExecStart } from './validate-process.ts';

export const STREAM_OPENERS = ['start', 'resume'] as const;
type Opener = (typeof STREAM_OPENERS)[number];

const EXEC = '/vivarium.v1.ContainerService/Exec';
const ATTACH = '/vivarium.v1.ContainerService/Attach';

export interface StreamParts {
  readonly containers: ContainerOperations;
  readonly requests: RequestOnce;
}

export interface OpenedStream {
  readonly stream: ProcessStream;
  /** Whether this client may write stdin, and so end it. */
  readonly takesStdin: boolean;
}

/** Starts a process, or joins one again. Its client has 1 MiB a stream from the offsets on. */
export async function openExec({ containers, requests }: StreamParts, message: Extract<ExecRequest['message'], { $case: Opener }>, signal: AbortSignal): Promise<OpenedStream> {
  if (message.$case === 'start') {
    const { containerRef, spec, requestId } = parseExecStart(message.value);
    const start = { method: EXEC, digest: digestOf(ExecStart, message.value), requestId, ref: containerRef };
    const open = async (options: MutateOptions): Promise<ProcessStream> => await containers.exec(containerRef, spec, options);
    const join = async (execId: string): Promise<ProcessStream> => await containers.resumeExec(execId, { stdout: 0n, stderr: 0n }, { signal, containerRef });
    return { stream: await openOnce(requests, start, { open, join }, signal), takesStdin: spec.stdin };
  }
  const { value } = message;
  const { execId, containerRef } = parsed((errors) => ({
    execId: checkReference(errors, 'resume.exec_id', value.execId),
    containerRef: checkOptionalReference(errors, 'resume.container_id', value.containerId),
  }));
  const options = { signal, ...(containerRef === '' ? {} : { containerRef }) };
  return { stream: await containers.resumeExec(execId, offsetsFromWire(value.offsets), options), takesStdin: true };
}

/** Joins the streams of a container's first process. */
export async function openAttach({ containers, requests }: StreamParts, message: Extract<AttachRequest['message'], { $case: Opener }>, signal: AbortSignal): Promise<OpenedStream> {
  if (message.$case === 'start') {
    const { value } = message;
    const { ref, requestId } = parsed((errors) => ({
      ref: checkReference(errors, 'start.container_id', value.containerId),
      requestId: checkRequestId(errors, value.requestId, 'start.request_id'),
    }));
    const how = { stdin: value.stdin, replay: value.replay, from: undefined, start: value.startContainer };
    const open = async (options: MutateOptions): Promise<ProcessStream> => await containers.attach(ref, how, options);
    if (!how.start) return { stream: await open({ requestId, signal }), takesStdin: value.stdin };
    const start = { method: ATTACH, digest: digestOf(AttachStart, value), requestId, ref };
    const join = async (id: string): Promise<ProcessStream> => await containers.attach(id, { ...how, start: false }, { requestId: '', signal });
    return { stream: await openOnce(requests, start, { open, join }, signal), takesStdin: value.stdin };
  }
  const { value } = message;
  const ref = parsed((errors) => checkReference(errors, 'resume.container_id', value.containerId));
  const how = { stdin: value.stdin, replay: false, from: offsetsFromWire(value.offsets), start: false };
  return { stream: await containers.attach(ref, how, { requestId: '', signal }), takesStdin: value.stdin };
}
