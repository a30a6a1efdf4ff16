import type { BuildGuestRequest, BuildGuestResponse, GuestServiceImplementation, ListGuestsResponse } from '../../gen/vivarium/v1/guest.ts';
import type { GuestOperations } from '../services/facade.ts';
import type { ApiContext, RequestContext } from './call-context.ts';
import { buildEventToWire, guestToWire } from './convert-host.ts';
import { parseBuildGuest } from './validate-guest.ts';

/** vivarium.v1.GuestService: parse, call, convert. */
export class GuestService implements GuestServiceImplementation<RequestContext> {
  readonly #guests: GuestOperations;

  constructor(guests: GuestOperations) {
    this.#guests = guests;
  }

  async *buildGuest(request: BuildGuestRequest, { signal }: ApiContext): AsyncGenerator<BuildGuestResponse, void, undefined> {
    const { spec, requestId } = parseBuildGuest(request);
    for await (const event of this.#guests.build(spec, { requestId, signal })) yield buildEventToWire(event);
  }

  async listGuests(): Promise<ListGuestsResponse> {
    return { guests: (await this.#guests.list()).map(guestToWire) };
  }
}
