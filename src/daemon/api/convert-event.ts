import type { EventType } from '../../core/model/events.ts';
import { SHORTEST_ID_END } from '../../core/model/ids.ts';
import type { WatchEventsRequest, WatchEventsResponse } from '../../gen/vivarium/v1/event.ts';
import type { WatchedEvent } from '../services/facade.ts';
import { timestamp } from './convert-common.ts';
import { causeToWire, eventTypeFromWire, eventTypeToWire } from './enums.ts';
import { parsed } from './field-errors.ts';
import { LIMITS } from './limits.ts';
import { checkOptionalReference } from './validate-fields.ts';

export interface EventFilter {
  readonly cursor: string;
  readonly follow: boolean;
  readonly sandboxRef: string;
  readonly containerRef: string;
  /** Empty: all. */
  readonly types: ReadonlySet<EventType>;
}

export function parseWatch(request: WatchEventsRequest): EventFilter {
  return parsed((errors) => {
    errors.check(request.cursor.length <= LIMITS.cursorLength && /^[\x21-\x7e]*$/.test(request.cursor), 'cursor', 'is not a cursor of an earlier answer');
    errors.check(request.types.length <= LIMITS.eventTypes, 'types', `has ${request.types.length} entries, at most ${LIMITS.eventTypes} are allowed`);
    const types = request.types.slice(0, LIMITS.eventTypes).flatMap((value, index) => {
      const type = eventTypeFromWire(value);
      errors.check(type !== undefined, `types[${index}]`, `${value} is not an event type`);
      return type ?? [];
    });
    return {
      cursor: request.cursor,
      follow: !request.noFollow,
      sandboxRef: checkOptionalReference(errors, 'sandbox_id', request.sandboxId),
      containerRef: checkOptionalReference(errors, 'container_id', request.containerId),
      types: new Set(types),
    };
  });
}

/**
 * Whether a watcher asked for this. References are matched as text and not looked up: most of what a watcher wants to hear of a deleted sandbox
 * comes when the daemon does not know it any more. A loss concerns every watcher.
 */
export function wants(filter: EventFilter, watched: WatchedEvent): boolean {
  if (watched.kind === 'lost') return true;
  const { event } = watched;
  if (filter.types.size > 0 && !filter.types.has(event.type)) return false;
  const ofContainer = event.containerId !== '';
  if (!matches(filter.sandboxRef, event.sandboxId, ofContainer ? '' : event.name)) return false;
  return matches(filter.containerRef, event.containerId, ofContainer ? event.name : '');
}

function matches(ref: string, id: string, name: string): boolean {
  return ref === '' || ref === id || ref === name || (ref.length >= SHORTEST_ID_END && id.endsWith(ref));
}

export function watchedToWire(watched: WatchedEvent): WatchEventsResponse {
  if (watched.kind === 'lost') return { message: { $case: 'lost', value: { afterCursor: watched.afterCursor, nextCursor: watched.nextCursor } } };
  const { event } = watched;
  return {
    message: {
      $case: 'event',
      value: {
        cursor: watched.cursor,
        at: timestamp(event.atMs),
        type: eventTypeToWire(event.type),
        sandboxId: event.sandboxId,
        containerId: event.containerId,
        name: event.name,
        message: event.message,
        cause: causeToWire(event.cause),
        exitCode: event.exitCode,
        attributes: { ...event.attributes },
      },
    },
  };
}
