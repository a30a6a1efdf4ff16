import { parseArgs } from 'node:util';
import { conditions, uptime } from './conditions.ts';
import { notMeasured } from './figure.ts';
import type { Outcome, Section } from './figure.ts';
import { killAll } from './processes.ts';
import { figureLine, keep, writeReport } from './report.ts';
import { BOOT } from './sections/boot.ts';
import { CHURN } from './sections/churn.ts';
import { CLI } from './sections/cli.ts';
import { DAEMON } from './sections/daemon.ts';
import { DELETE } from './sections/delete.ts';
import { EXEC } from './sections/exec.ts';
import { HOTPLUG } from './sections/hotplug.ts';
import { IMAGES } from './sections/images.ts';
import { READS } from './sections/reads.ts';
import { RECOVERY } from './sections/recovery.ts';
import { SMALL } from './sections/small.ts';
import { STREAMS } from './sections/streams.ts';
import { SOAK, SOAK_REAL } from './sections/soak.ts';

const SECTIONS: readonly Section[] = [BOOT, EXEC, DELETE, DAEMON, SMALL, CLI, HOTPLUG, IMAGES, READS, RECOVERY, STREAMS, CHURN, SOAK, SOAK_REAL];
/** Of all sections that run when none is named. */
const WHOLE_RUN_MS = 1_200_000;
/** How long a section that was cut short has to put its things away. */
const TIDY_MS = 30_000;

const USAGE = `usage: bench/run.ts [--only NAME[,NAME…]] [--quick]

  --only   some sections: ${SECTIONS.map(({ name }) => name).join(', ')}
           (churn, soak and soak-real take long and run only when they are named)
  --quick  a tenth of the rounds, to see that it works; keeps no results`;

/** Runs sections one after the other; what each found is kept at once, so that a later failure costs nothing. */
async function main(argv: readonly string[]): Promise<void> {
  const { values } = parseArgs({ args: [...argv], options: { only: { type: 'string' }, quick: { type: 'boolean' }, help: { type: 'boolean' } } });
  const wanted = values.only?.split(',') ?? SECTIONS.filter(({ onlyWhenNamed }) => onlyWhenNamed === undefined).map(({ name }) => name);
  const unknown = wanted.filter((name) => !SECTIONS.some((section) => section.name === name));
  if (values.help === true || unknown.length > 0) {
    console.log(USAGE);
    process.exitCode = values.help === true ? 0 : 2;
    return;
  }
  const quick = values.quick === true;
  const stop = new AbortController();
  const whole = values.only === undefined ? AbortSignal.timeout(WHOLE_RUN_MS) : stop.signal;
  process.once('SIGINT', () => { stop.abort(new Error('interrupted')); });
  process.once('exit', killAll);
  for (const section of SECTIONS.filter(({ name }) => wanted.includes(name))) {
    if (stop.signal.aborted) break;
    const before = uptime();
    const outcome = await measured(section, quick, AbortSignal.any([stop.signal, whole, AbortSignal.timeout(section.limitMs)]));
    for (const figure of outcome.figures) console.log(figureLine(figure));
    if (!quick) keep({ section: section.name, conditions: conditions(before), ...outcome });
  }
  if (!quick) writeReport(SECTIONS);
}

/** A section that fails says why in its rows; the others go on. */
async function measured(section: Section, quick: boolean, signal: AbortSignal): Promise<Outcome> {
  console.log(`\n== ${section.name}`);
  const rounds = (full: number): number => (quick ? Math.max(1, Math.round(full / 10)) : full);
  const work = section.run({ signal, rounds, quick, say: (line) => { console.log(`   ${line}`); } });
  const late = new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => {
      setTimeout(() => { reject(new Error('it was cut short and did not end')); }, TIDY_MS).unref();
    }, { once: true });
  });
  try {
    return await Promise.race([work, late]);
  } catch (error) {
    const reason: unknown = signal.aborted ? signal.reason : error;
    const why = reason instanceof Error ? reason.message : String(reason);
    console.error(error);
    return { figures: section.rows.map((row) => notMeasured(row, why.split('\n')[0] ?? why)), samples: {} };
  }
}

await main(process.argv.slice(2));
// A section that could not be ended must not keep the process.
process.exit();
