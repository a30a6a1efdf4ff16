import type { TtySize } from '../../core/model/sandbox-spec.ts';
import type { GetContainerLogsRequest, ResizeContainerTtyRequest } from '../../gen/vivarium/v1/container.ts';
import type { ContainerOperations } from '../services/facade.ts';
import { parsed } from './field-errors.ts';
import { checkOptionalReference, checkReference, checkTtySize } from './validate-fields.ts';
import { offsetsFromWire } from './validate-process.ts';

type LogsHow = Parameters<ContainerOperations['logs']>[1];

/** `offsets` go on from a place and so exclude `since` and `tail`, which choose one. */
export function parseLogs(request: GetContainerLogsRequest): { ref: string; how: LogsHow } {
  return parsed((errors) => {
    const { offsets, since, tail } = request;
    errors.check(offsets === undefined || (since === undefined && tail === undefined), 'offsets', 'excludes since and tail');
    errors.check(since === undefined || !Number.isNaN(since.getTime()), 'since', 'is not a time that can be kept');
    const how = {
      follow: request.follow,
      sinceMs: since?.getTime(),
      tail,
      from: offsets === undefined ? undefined : offsetsFromWire(offsets),
    };
    return { ref: checkReference(errors, 'container_id', request.containerId), how };
  });
}

export function parseResizeTty(request: ResizeContainerTtyRequest): { ref: string; execId: string; size: TtySize } {
  return parsed((errors) => {
    if (request.size === undefined) errors.add('size', 'is required');
    const size = checkTtySize(errors, 'size', request.size) ?? { rows: 1, columns: 1 };
    return { ref: checkReference(errors, 'container_id', request.containerId), execId: checkOptionalReference(errors, 'exec_id', request.execId), size };
  });
}
