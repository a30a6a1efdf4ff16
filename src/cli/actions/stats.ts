import { ContainerState, GetContainerStatsResponse } from '../../gen/vivarium/v1/container.ts';
import type { Clients } from '../client/clients.ts';
import { failedWith } from '../client/daemon-failure.ts';
import type { Action } from '../context.ts';
import { cpuPercent } from '../format/cpu-percent.ts';
import { ExitCode } from '../exit-codes.ts';
import { listingText, type ListingFlags } from '../format/listing.ts';
import { describeBytes } from '../format/quantity.ts';
import { shortId } from '../format/short-id.ts';
import type { Column } from '../format/table.ts';
import { writeAll } from '../format/write-all.ts';
import { Reconnection } from '../stream/reconnection.ts';
import { listPages } from './list-pages.ts';

interface StatsFlags extends ListingFlags {
  readonly stream: boolean;
}

interface Sample {
  readonly now: GetContainerStatsResponse;
  readonly before: GetContainerStatsResponse | undefined;
}

const intervalMs = 1000;
const clearScreen = '\u001b[H\u001b[J';

/** `viv stats`: of the containers named, or of all that run. CPU use is what was used between two looks, a second apart. */
export const stats: Action<StatsFlags> = async (context, operands, flags) => {
  const clients = await context.connect('containers');
  let before = await look(clients, operands);
  const reconnection = new Reconnection(context);
  reconnection.stands();
  const onTerminal = context.host.stdout.isTTY === true && flags.stream;
  do {
    await context.host.clock.sleep(intervalMs, context.signal);
    const current = await reconnection.ask(() => look(clients, operands));
    const rows = [...current].map(([id, now]): Sample => ({ now, before: before.get(id) }));
    const text = listingText(flags, { columns, rows, json: { stats: rows.map(({ now }) => GetContainerStatsResponse.toJSON(now)) } });
    await writeAll(context.host.stdout, `${onTerminal ? clearScreen : ''}${text}`, context.signal);
    before = current;
  } while (flags.stream);
  return ExitCode.ok;
};

async function look(clients: Clients<'containers'>, operands: readonly string[]): Promise<Map<string, GetContainerStatsResponse>> {
  const ids = operands.length > 0 ? operands : await running(clients);
  const found = await Promise.all(ids.map((containerId) => statsOf(clients, containerId, operands.length > 0)));
  return new Map(found.flatMap((entry) => (entry === undefined ? [] : [[entry.containerId, entry]])));
}

async function running(clients: Clients<'containers'>): Promise<string[]> {
  const states = [ContainerState.CONTAINER_STATE_RUNNING, ContainerState.CONTAINER_STATE_PAUSED];
  const containers = await listPages((pageToken) => clients.containers.listContainers({ states, pageToken }), (response) => response.containers);
  return containers.map((container) => container.id);
}

/** A container that ended between listing and looking is no failure, unless it was asked for by name. */
async function statsOf(clients: Clients<'containers'>, containerId: string, named: boolean): Promise<GetContainerStatsResponse | undefined> {
  try {
    return await clients.containers.getContainerStats({ containerId });
  } catch (error) {
    if (named || !(failedWith(error, 'CONTAINER_NOT_FOUND') || failedWith(error, 'WRONG_STATE'))) throw error;
    return undefined;
  }
}

const columns: readonly Column<Sample>[] = [
  { title: 'CONTAINER ID', text: ({ now }) => shortId(now.containerId) },
  { title: 'CPU %', text: ({ now, before }) => cpuPercent(before, now) },
  { title: 'MEMORY', text: ({ now }) => describeBytes(now.memory?.usageBytes ?? 0n) },
  { title: 'LIMIT', text: ({ now }) => (now.memory === undefined || now.memory.limitBytes === 0n ? '' : describeBytes(now.memory.limitBytes)) },
  { title: 'PIDS', text: ({ now }) => String(now.pids) },
  { title: 'CACHE', text: ({ now }) => describeBytes(now.memory?.cacheBytes ?? 0n), wide: true },
  { title: 'SWAP', text: ({ now }) => describeBytes(now.memory?.swapBytes ?? 0n), wide: true },
  { title: 'THROTTLED', text: ({ now }) => String(now.cpu?.throttledPeriods ?? 0n), wide: true },
];
