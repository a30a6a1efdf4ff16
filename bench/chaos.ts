import { rmSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { runChaos } from './chaos/run-chaos.ts';
import type { ChaosReport } from './chaos/run-chaos.ts';
import { killsOf, operationsOf } from './chaos/schedule.ts';

const USAGE = `usage: npm run chaos -- [--seconds N] [--seed TEXT] [--lanes N] [--kill-every MS] [--real] [--plan N]

  --seconds     how long operations and kills go on (60)
  --seed        the schedule is a function of it (taken from the clock, and printed)
  --lanes       callers side by side, each with one sandbox at a time (6; 2 with --real)
  --kill-every  milliseconds between two kills, on average (1500)
  --real        QEMU; without it fake VMMs
  --plan        print the first N operations of each lane and the first N kills, and end

Ends with 0 when nothing was violated and nothing is left on the host.`;

const OPTIONS = {
  seconds: { type: 'string', default: '60' },
  seed: { type: 'string' },
  lanes: { type: 'string' },
  'kill-every': { type: 'string', default: '1500' },
  real: { type: 'boolean', default: false },
  plan: { type: 'string' },
  help: { type: 'boolean', default: false },
} as const;

async function main(argv: readonly string[]): Promise<number> {
  const { values } = parseArgs({ args: [...argv], options: OPTIONS });
  const lanes = Number(values.lanes ?? (values.real ? 2 : 6));
  const [seconds, killMs] = [Number(values.seconds), Number(values['kill-every'])];
  if (values.help || [lanes, seconds, killMs].some((value) => !Number.isFinite(value) || value <= 0)) {
    console.log(USAGE);
    return values.help ? 0 : 2;
  }
  const seed = values.seed ?? Date.now().toString(36);
  console.log(`seed ${seed}: ${seconds} s, ${lanes} lanes, a kill each ${killMs} ms${values.real ? ', real VMs' : ''}`);
  if (values.plan !== undefined) {
    printPlan(seed, lanes, killMs, Number(values.plan));
    return 0;
  }
  const stop = new AbortController();
  process.once('SIGINT', () => { stop.abort(new Error('interrupted')); });
  const report = await runChaos({ seed, seconds, lanes, killMs, real: values.real, signal: stop.signal, say: (line) => { console.log(`  ${line}`); } });
  return printReport(seed, report);
}

function printPlan(seed: string, lanes: number, killMs: number, count: number): void {
  for (let lane = 0; lane < lanes; lane += 1) console.log(`lane ${lane}: ${first(operationsOf(seed, lane), count).join(' ')}`);
  for (const { afterMs, victim, place, awayMs } of first(killsOf(seed, killMs), count)) console.log(`after ${afterMs} ms: ${victim} (${place.toFixed(3)}, away ${awayMs} ms)`);
}

function printReport(seed: string, { book, leaks, home }: ChaosReport): number {
  const table = (title: string, counts: ReadonlyMap<string, number>): void => { console.log(`${title}:\n${[...counts].sort().map(([what, times]) => `  ${String(times).padStart(6)} ${what}`).join('\n')}`); };
  table('done', book.done);
  table('refused, and explained unless listed below', book.refused);
  const problems = [...book.violations, ...leaks.byAudit.map((leak) => `left, says the audit: ${leak}`), ...leaks.byDiff.map((leak) => `left on the host: ${leak}`)];
  console.log(`${problems.length} violations; left by the audit: ${leaks.byAudit.length}, by the host's own diff: ${leaks.byDiff.length} (and ${leaks.foreign} new things of other daemons); seed ${seed}`);
  for (const problem of problems) console.log(`  ${problem}`);
  if (problems.length > 0) {
    console.log(`its directories are kept: ${home}`);
    return 1;
  }
  rmSync(home, { recursive: true, force: true });
  return 0;
}

function first<T>(items: Iterator<T>, count: number): readonly T[] {
  return Array.from({ length: count }, () => items.next().value as T);
}

process.exitCode = await main(process.argv.slice(2));
process.exit();
