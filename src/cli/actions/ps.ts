import { ContainerState, containerStateToJSON, Container } from '../../gen/vivarium/v1/container.ts';
import { causeToJSON } from '../../gen/vivarium/v1/common.ts';
import { enumValues, parseFilters, type Filters } from '../args/filters.ts';
import { parseKeyValues } from '../args/key-values.ts';
import type { Action } from '../context.ts';
import { ExitCode } from '../exit-codes.ts';
import { enumText } from '../format/enum-text.ts';
import { printListing, type ListingFlags } from '../format/listing.ts';
import { timeAgo } from '../format/relative-time.ts';
import { shortId } from '../format/short-id.ts';
import type { Column } from '../format/table.ts';
import { listPages } from './list-pages.ts';

interface PsFlags extends ListingFlags {
  readonly all?: boolean;
  readonly trunc: boolean;
  readonly filter: readonly string[];
}

const filterKeys = ['label', 'state', 'status', 'sandbox', 'name', 'id', 'image'] as const;
type PsFilters = Filters<(typeof filterKeys)[number]>;

const alive: readonly ContainerState[] = [ContainerState.CONTAINER_STATE_RUNNING, ContainerState.CONTAINER_STATE_PAUSED, ContainerState.CONTAINER_STATE_STOPPING];

/** `viv ps`: the containers that run; with -a, or when a state is asked for, the others too. */
export const ps: Action<PsFlags> = async (context, _operands, flags) => {
  const filters = parseFilters(flags.filter, filterKeys);
  const asked = enumValues<ContainerState>([...filters.state, ...filters.status], ContainerState, 'CONTAINER_STATE_', '--filter state');
  const labels = parseKeyValues(filters.label, '--filter label', { bare: true });
  const { containers } = await context.connect('containers');
  const states = asked.length > 0 ? asked : flags.all === true ? [] : [...alive];
  const all = await listPages(
    (pageToken) => containers.listContainers({ sandboxId: filters.sandbox.at(-1) ?? '', labels, states, pageToken }),
    (response) => response.containers,
  );
  const rows = all.filter((container) => matches(container, filters));
  printListing(context, flags, {
    columns: columns(context.host.clock.now(), flags.trunc),
    rows,
    json: { containers: rows.map((container) => Container.toJSON(container)) },
    id: (container) => (flags.trunc ? container.shortId : container.id),
  });
  return ExitCode.ok;
};

function matches(container: Container, filters: PsFilters): boolean {
  const any = (wanted: readonly string[], test: (text: string) => boolean): boolean => wanted.length === 0 || wanted.some(test);
  return any(filters.name, (text) => container.spec?.name.includes(text) === true)
    && any(filters.id, (text) => container.id.includes(text))
    && any(filters.image, (text) => container.image === text);
}

function columns(now: Date, short: boolean): Column<Container>[] {
  const id = (text: string): string => (short ? shortId(text) : text);
  return [
    { title: 'CONTAINER ID', text: (row) => (short ? row.shortId : row.id) },
    { title: 'NAME', text: (row) => row.spec?.name ?? '' },
    { title: 'SANDBOX', text: (row) => id(row.sandboxId) },
    { title: 'IMAGE', text: (row) => row.image, maxWidth: 30 },
    { title: 'COMMAND', text: (row) => row.command.join(' '), maxWidth: 30 },
    { title: 'CREATED', text: (row) => timeAgo(row.createdAt, now) },
    { title: 'STATE', text: (row) => enumText(containerStateToJSON(row.state), 'CONTAINER_STATE_') },
    { title: 'EXIT', text: (row) => (row.exit === undefined ? '' : String(row.exit.code)) },
    { title: 'STARTED', text: (row) => timeAgo(row.startedAt, now), wide: true },
    { title: 'FINISHED', text: (row) => timeAgo(row.finishedAt, now), wide: true },
    { title: 'CAUSE', text: (row) => (row.exit === undefined ? '' : enumText(causeToJSON(row.exit.cause), 'CAUSE_')), wide: true },
    { title: 'GUEST PID', text: (row) => (row.guestPid === 0 ? '' : String(row.guestPid)), wide: true },
    { title: 'LABELS', text: (row) => labelsText(row.spec?.labels ?? {}), wide: true },
  ];
}

/** "a=1,b=2", in order of the keys. */
export const labelsText = (labels: Readonly<Record<string, string>>): string =>
  Object.entries(labels).sort(([a], [b]) => a.localeCompare(b)).map(([key, value]) => `${key}=${value}`).join(',');
