import { Event, EventType, EventsLost, eventTypeToJSON, type WatchEventsResponse } from '../../gen/vivarium/v1/event.ts';
import { causeToJSON } from '../../gen/vivarium/v1/common.ts';
import { enumValues, parseFilters } from '../args/filters.ts';
import { UsageError } from '../cli-error.ts';
import type { Action, CommandContext } from '../context.ts';
import { ExitCode } from '../exit-codes.ts';
import { enumText } from '../format/enum-text.ts';
import { jsonLine } from '../format/json.ts';
import { shortId } from '../format/short-id.ts';
import { writeAll } from '../format/write-all.ts';
import { Reconnection } from '../stream/reconnection.ts';

interface EventsFlags {
  readonly since?: string;
  readonly filter: readonly string[];
  /** `--no-follow` makes it false. */
  readonly follow: boolean;
  readonly output: string;
}

/** `viv events`: one line an event, for ever; the cursor of each is in the JSON form. */
export const events: Action<EventsFlags> = async (context, _operands, flags) => {
  if (flags.output !== 'text' && flags.output !== 'json') throw new UsageError(`--output: there is no "${flags.output}"`, 'known are text and json');
  const filters = parseFilters(flags.filter, ['sandbox', 'container', 'type']);
  const request = {
    sandboxId: filters.sandbox.at(-1) ?? '',
    containerId: filters.container.at(-1) ?? '',
    types: enumValues<EventType>(filters.type, EventType, 'EVENT_TYPE_', '--filter type'),
    noFollow: !flags.follow,
  };
  const begun = context.host.clock.now();
  let cursor = flags.since ?? (flags.follow ? '' : '0');
  let wanted: (at: Date | undefined) => boolean = () => true;
  const client = (await context.connect('events')).events;
  const reconnection = new Reconnection(context);
  for (;;) {
    try {
      for await (const { message } of client.watchEvents({ ...request, cursor })) {
        reconnection.stands();
        if (message?.$case === 'event') ({ cursor } = message.value);
        if (message?.$case !== 'event' || wanted(message.value.at)) await show(context, message, flags.output);
        if (message?.$case === 'lost') cursor = message.value.nextCursor === '' ? cursor : message.value.nextCursor;
      }
      return ExitCode.ok;
    } catch (error) {
      await reconnection.after(error);
      if (cursor !== '') continue;
      // Nothing came before the break, so there is no cursor to go on after: what happened since we began is among all that is kept.
      cursor = '0';
      wanted = (at) => at === undefined || at >= begun;
    }
  }
};

async function show(context: CommandContext, message: WatchEventsResponse['message'], form: string): Promise<void> {
  if (message?.$case === 'event') {
    await writeAll(context.host.stdout, form === 'json' ? jsonLine(Event.toJSON(message.value)) : `${eventText(message.value)}\n`, context.signal);
  }
  if (message?.$case !== 'lost') return;
  if (form === 'json') await writeAll(context.host.stdout, jsonLine({ lost: EventsLost.toJSON(message.value) }), context.signal);
  context.host.stderr.write(`viv: warning: events after cursor ${message.value.afterCursor} are not kept any more\n`);
}

/** "2026-11-23T16:31:36.123Z container_exited sandbox=… container=… exit=7" */
function eventText(event: Event): string {
  const fields: readonly (readonly [string, string])[] = [
    ['sandbox', shortId(event.sandboxId)],
    ['container', shortId(event.containerId)],
    ['name', event.name],
    ['exit', event.exitCode === undefined ? '' : String(event.exitCode)],
    ['cause', enumText(causeToJSON(event.cause), 'CAUSE_').replaceAll(' ', '_')],
    ...Object.entries(event.attributes),
    ['message', event.message === '' ? '' : JSON.stringify(event.message)],
  ];
  const words = fields.filter(([, value]) => value !== '').map(([key, value]) => `${key}=${value}`);
  return [event.at?.toISOString() ?? '-', enumText(eventTypeToJSON(event.type), 'EVENT_TYPE_').replaceAll(' ', '_'), ...words].join(' ');
}
