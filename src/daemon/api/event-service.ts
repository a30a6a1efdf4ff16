import type { EventServiceImplementation, WatchEventsRequest, WatchEventsResponse } from '../../gen/vivarium/v1/event.ts';
import type { EventOperations } from '../services/facade.ts';
import type { ApiContext, RequestContext } from './call-context.ts';
import { parseWatch, wants, watchedToWire } from './convert-event.ts';

/** vivarium.v1.EventService: parse, call, convert. */
export class EventService implements EventServiceImplementation<RequestContext> {
  readonly #events: EventOperations;

  constructor(events: EventOperations) {
    this.#events = events;
  }

  async *watchEvents(request: WatchEventsRequest, { signal }: ApiContext): AsyncGenerator<WatchEventsResponse, void, undefined> {
    const filter = parseWatch(request);
    for await (const watched of this.#events.watch({ cursor: filter.cursor, follow: filter.follow }, { signal })) {
      if (wants(filter, watched)) yield watchedToWire(watched);
    }
  }
}
