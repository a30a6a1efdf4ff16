import type { HostProcessUsage } from '../../gen/vivarium/v1/common.ts';
import { GetSandboxStatsResponse } from '../../gen/vivarium/v1/sandbox.ts';
import { durationMs } from '../args/duration.ts';
import type { Action } from '../context.ts';
import { ExitCode } from '../exit-codes.ts';
import { listingText, type ListingFlags } from '../format/listing.ts';
import { describeBytes, describeMs } from '../format/quantity.ts';
import type { Column } from '../format/table.ts';
import { writeAll } from '../format/write-all.ts';
import { Reconnection } from '../stream/reconnection.ts';

interface SandboxStatsFlags extends ListingFlags {
  readonly stream: boolean;
}

const intervalMs = 1000;
const clearScreen = '\u001b[H\u001b[J';

/** `viv sandbox stats`: the processes on the host, and the guest as a whole. */
export const sandboxStats: Action<SandboxStatsFlags> = async (context, operands, flags) => {
  const { sandboxes } = await context.connect('sandboxes');
  const onTerminal = context.host.stdout.isTTY === true && flags.stream;
  const reconnection = new Reconnection(context);
  for (;;) {
    const found = await reconnection.ask(() => sandboxes.getSandboxStats({ sandboxId: operands[0] ?? '' }));
    const table = listingText(flags, { columns, rows: found.processes, json: GetSandboxStatsResponse.toJSON(found) });
    const text = flags.output === 'json' ? table : `${table}${guestLine(found)}\n`;
    await writeAll(context.host.stdout, `${onTerminal ? clearScreen : ''}${text}`, context.signal);
    if (!flags.stream) return ExitCode.ok;
    await context.host.clock.sleep(intervalMs, context.signal);
  }
};

function guestLine({ guestMemory, guestCpu, guestLoad1 }: GetSandboxStatsResponse): string {
  const memory = `${describeBytes(guestMemory?.usageBytes ?? 0n)} of ${describeBytes(guestMemory?.limitBytes ?? 0n)}`;
  return `guest: memory ${memory}, cpu ${describeMs(durationMs(guestCpu?.total))}, load ${guestLoad1.toFixed(2)}`;
}

const columns: readonly Column<HostProcessUsage>[] = [
  { title: 'PROCESS', text: (row) => row.role },
  { title: 'PID', text: (row) => String(row.pid) },
  { title: 'CPU TIME', text: (row) => describeMs(durationMs(row.cpu)) },
  { title: 'RSS', text: (row) => describeBytes(row.rssBytes) },
  { title: 'PSS', text: (row) => describeBytes(row.pssBytes) },
];
