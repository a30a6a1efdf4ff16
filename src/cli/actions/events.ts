import { Event, EventType, EventsLost, eventTypeToJSON } from '../../gen/vivarium/v1/event.ts';
import { causeToJSON } from '../../gen/vivarium/v1/common.ts';
import { enumValues, parseFilters } from '../args/filters.ts';
import { UsageError } from '../cli-error.ts';
import type { Action } from '../context.ts';
import { ExitCode } from '../exit-codes.ts';
import { enumText } from '../format/enum-text.ts';
import { jsonLine } from '../format/json.ts';
import { shortId } from '../format/short-id.ts';
import { writeAll } from '../format/write-all.ts';

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
    cursor: flags.since ?? (flags.follow ? '' : '0'),
    sandboxId: filters.sandbox.at(-1) ?? '',
    containerId: filters.container.at(-1) ?? '',
    types: enumValues<EventType>(filters.type, EventType, 'EVENT_TYPE_', '--filter type'),
    noFollow: !flags.follow,
  };
  const client = (await context.connect('events')).events;
  for await (const { message } of client.watchEvents(request)) {
    if (message?.$case === 'event') {
      const text = flags.output === 'json' ? jsonLine(Event.toJSON(message.value)) : `${eventText(message.value)}\n`;
      await writeAll(context.host.stdout, text, context.signal);
    }
    if (message?.$case === 'lost') {
      if (flags.output === 'json') await writeAll(context.host.stdout, jsonLine({ lost: EventsLost.toJSON(message.value) }), context.signal);
      context.host.stderr.write(`viv: warning: events after cursor ${message.value.afterCursor} are not kept any more\n`);
    }
  }
  return ExitCode.ok;
};

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
