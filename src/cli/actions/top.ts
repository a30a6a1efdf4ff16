import { parseDurationMs } from '../args/duration.ts';
import { UsageError } from '../cli-error.ts';
import type { Action, CommandContext } from '../context.ts';
import { ExitCode } from '../exit-codes.ts';
import { prettyJson } from '../format/json.ts';
import { outputForms } from '../format/listing.ts';
import { writeAll } from '../format/write-all.ts';
import { Interrupted } from '../interrupts.ts';
import { Reconnection } from '../stream/reconnection.ts';
import { lookAtAll, type SandboxLook } from '../top/look.ts';
import { sortKeys, topRows, type SandboxRow, type SortKey } from '../top/rows.ts';
import { Screen } from '../top/screen.ts';
import { topJson, topTable } from '../top/table.ts';

interface TopFlags {
  readonly output: string;
  readonly interval: string;
  readonly sort: string;
  /** `--no-stream` makes it false. */
  readonly stream: boolean;
}

const leastIntervalMs = 100;

/** `viv top`: what every sandbox and its containers use; drawn again and again on a terminal, once elsewhere. CPU use is that of one interval. */
export const top: Action<TopFlags> = async (context, _operands, flags) => {
  const sort = sortKeys.find((key) => key === flags.sort);
  if (sort === undefined) throw new UsageError(`--sort: there is no "${flags.sort}"`, `known are ${sortKeys.join(', ')}`);
  if (!(outputForms as readonly string[]).includes(flags.output)) throw new UsageError(`--output: there is no "${flags.output}"`, `known are ${outputForms.join(', ')}`);
  const intervalMs = parseDurationMs(flags.interval, '--interval');
  if (intervalMs < leastIntervalMs) throw new UsageError(`--interval: at least ${leastIntervalMs}ms`);
  const clients = await context.connect('sandboxes', 'containers');
  const look = async (signal: AbortSignal): Promise<SandboxLook[]> => await lookAtAll(clients, signal);
  const wide = flags.output === 'wide';
  if (flags.stream && context.host.stdout.isTTY === true && flags.output !== 'json') return await live(context, look, { intervalMs, sort, wide });
  const before = await look(context.signal);
  await context.host.clock.sleep(intervalMs, context.signal);
  const rows = topRows(before, await look(context.signal), context.host.clock.now(), sort);
  await writeAll(context.host.stdout, flags.output === 'json' ? prettyJson(topJson(rows)) : topTable(rows, wide), context.signal);
  return ExitCode.ok;
};

interface LiveOptions {
  readonly intervalMs: number;
  readonly sort: SortKey;
  readonly wide: boolean;
}

/** Until q or Ctrl-C. A daemon that is away is waited for, with its last figures on the screen. */
async function live(context: CommandContext, look: (signal: AbortSignal) => Promise<SandboxLook[]>, { intervalMs, sort, wide }: LiveOptions): Promise<number> {
  let before = await look(context.signal);
  using screen = new Screen(context.host);
  const signal = AbortSignal.any([context.signal, screen.left]);
  let rows = topRows([], before, context.host.clock.now(), sort);
  let note = '';
  const draw = (): void => { screen.draw(`${headLine(rows, note)}\n\n${topTable(rows, wide)}`); };
  const reconnection = new Reconnection({ host: context.host, signal }, (isAway) => {
    note = isAway ? 'the daemon is away' : '';
    draw();
  });
  reconnection.stands();
  try {
    for (;;) {
      draw();
      await context.host.clock.sleep(intervalMs, signal);
      const current = await reconnection.ask(() => look(signal));
      rows = topRows(before, current, context.host.clock.now(), sort);
      before = current;
    }
  } catch (error) {
    if (!screen.left.aborted) throw error;
    // The key, unlike the signal, is read by us: it ends as the signal would.
    if (screen.left.reason instanceof Interrupted) throw screen.left.reason;
    return ExitCode.ok;
  }
}

function headLine(rows: readonly SandboxRow[], note: string): string {
  const containers = rows.reduce((sum, row) => sum + row.containers.length, 0);
  return [`${rows.length} sandboxes, ${containers} containers`, note, 'q leaves'].filter((part) => part !== '').join(' · ');
}
