import type { CallContext } from 'nice-grpc';
import type { Event, EventServiceImplementation } from '../../src/gen/vivarium/v1/event.ts';
import type { BuildGuestRequest, GuestServiceImplementation } from '../../src/gen/vivarium/v1/guest.ts';
import type { ConsoleRequest, ConsoleResponse } from '../../src/gen/vivarium/v1/sandbox.ts';

/** What is watched: events, guest builds and a console that answers in capitals. */
export class FakeObservers {
  readonly builds: BuildGuestRequest[] = [];
  readonly watched: { cursor: string; noFollow: boolean; types: number[] }[] = [];
  events: Partial<Event>[] = [];
  lostEvents = false;

  eventService(): EventServiceImplementation {
    const watch = (request: { cursor: string; noFollow: boolean; types: number[] }): Partial<Event>[] => {
      this.watched.push(request);
      return this.events;
    };
    const isLost = (): boolean => this.lostEvents;
    return {
      async *watchEvents(request) {
        if (isLost()) yield { message: { $case: 'lost', value: { afterCursor: '3', nextCursor: '7' } } };
        for (const event of watch(request)) yield { message: { $case: 'event', value: event } };
      },
    };
  }

  guestService(): GuestServiceImplementation {
    const { builds } = this;
    return {
      async *buildGuest(request) {
        builds.push(request);
        yield { message: { $case: 'progress', value: { step: 'kernel', detail: 'linux-image', done: 1n, total: 2n } } };
        yield { message: { $case: 'progress', value: { step: 'initramfs', detail: '', done: 0n, total: 0n } } };
        yield { message: { $case: 'result', value: { guest: { name: request.name, directory: '/g/x', kernelVersion: '6.1', kernelBytes: 1n << 20n }, upToDate: false } } };
      },
      listGuests: async () => ({ guests: [{ name: 'default', kernelVersion: '6.1', builtAt: new Date(Date.now() - 7_200_000) }] }),
    };
  }

  async *console(requests: AsyncIterable<ConsoleRequest>, context: CallContext): AsyncGenerator<ConsoleResponse> {
    for await (const { message } of requests) {
      if (message?.$case === 'start') {
        yield { data: Buffer.from('boot\n') };
        if (message.value.noFollow) return;
      }
      if (message?.$case === 'input') yield { data: Buffer.from(message.value.toString().toUpperCase()) };
    }
    await new Promise((resolve) => { context.signal.addEventListener('abort', resolve); });
  }
}
