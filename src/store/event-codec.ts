import type { DomainEvent, EventType } from '../core/model/events.ts';
import type { Cause } from '../core/model/outcome.ts';
import type { StoredEvent } from '../core/ports/stores.ts';
import { big, dictionary, maybe, number, object, oneOf, text } from './codec.ts';
import type { Codec, Shape } from './codec.ts';
import { cause } from './record-codecs.ts';

const eventType: Codec<EventType> = oneOf<EventType>({
  SANDBOX_CREATING: true, SANDBOX_READY: true, SANDBOX_RUNNING: true, SANDBOX_PAUSED: true, SANDBOX_RESUMED: true, SANDBOX_STOPPING: true,
  SANDBOX_STOPPED: true, SANDBOX_FAILED: true, SANDBOX_DELETED: true, SANDBOX_UPDATED: true, SANDBOX_CONDITION: true, CONTAINER_CREATED: true,
  CONTAINER_STARTED: true, CONTAINER_PAUSED: true, CONTAINER_RESUMED: true, CONTAINER_EXITED: true, CONTAINER_DELETED: true, CONTAINER_OOM: true,
  EXEC_STARTED: true, EXEC_EXITED: true, DAEMON_STARTED: true, RESOURCE_REAPED: true, DEVICE_ATTACHED: true, DEVICE_DETACHED: true, DEVICE_CHANGED: true,
});

const shape: Shape<Required<DomainEvent>> = {
  type: eventType,
  atMs: number,
  sandboxId: text,
  containerId: text,
  name: text,
  message: text,
  cause: maybe(cause) as Codec<Cause>,
  exitCode: maybe(number) as Codec<number>,
  attributes: dictionary(text),
};

const storedEvent: Codec<StoredEvent> = object<StoredEvent>({ sequence: big, event: object<DomainEvent>(shape) });

/** One line of a journal's file, with its newline. */
export function encodeEvent(stored: StoredEvent): string {
  return `${JSON.stringify(storedEvent.encode(stored))}\n`;
}

/** Throws ShapeError or SyntaxError. */
export function decodeEvent(line: string): StoredEvent {
  return storedEvent.decode(JSON.parse(line), '');
}
