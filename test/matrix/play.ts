import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { SandboxState, type Sandbox } from '../../src/gen/vivarium/v1/sandbox.ts';
import { TestDaemon } from '../system/daemon.ts';
import { cellName, type Cell } from './cells.ts';
import { isOfImage, judgeImage, MatrixImages } from './images.ts';
import { judge } from './judge.ts';
import { ArmedPoints, each, goOn, park, prepareAll, recoverInto, runThrough, type RoundProblem } from './rounds.ts';
import { MatrixClient, type Stage, type Subject } from './subject.ts';

const SETTLE_MS = 90_000;
const JUDGED_AT_ONCE = 16;
const LOOK_MS = 200;
/** A VMM that stands still while the daemon comes back must not be taken for dead. */
const STAND_STILL_MS = 3000;
/** Parked requests hold their places, so there must be one for each cell. */
const FLAGS = ['--admission-memory', '1TiB', '--admission-max-sandboxes', '5000', '--admission-queue-length', '5000', '--admission-boot-concurrency', '1000', '--recovery-concurrency', '1000', '--health-interval', '30s'];

export interface Verdict {
  /** A line for each thing that is not as it must be, with its cell. */
  readonly problems: readonly string[];
  /** What the audit found orphaned or missing at the end. */
  readonly loose: readonly string[];
  /** So many cells have no problem. */
  readonly well: number;
}

/**
 * Plays cells in three lives of one daemon: in the first all sandboxes are prepared, cells whose daemon lives on run through, and the rest are
 * parked at their points; the second has its points in its own recovery; the third comes back undisturbed, and everything is judged by what
 * it says and by what is there.
 */
export async function play(cells: readonly Cell[], stage: Stage): Promise<Verdict> {
  const daemon = await TestDaemon.start({ profiles: stage.profiles, flags: FLAGS, parent: stage.parent });
  await using images = await MatrixImages.start(daemon.home);
  const subjects = cells.map((cell, index): Subject => ({ cell, stage, name: isOfImage(cell) ? images.make(cell, `m${index}`) : `m${index}`, sandboxId: '', witness: '', target: '', vmm: undefined }));
  const [inRecovery, others] = split(subjects, ({ cell }) => cell.plan === 'recover');
  const [killed, lived] = split(others, ({ cell }) => cell.fault === 'killed');
  const problems: RoundProblem[] = [];
  const stopped = new Set<number>();
  try {
    await daemon.crash();
    const first = new ArmedPoints(join(daemon.home, 'first.json'), others);
    await daemon.boot({ VIVARIUM_FAILPOINTS: first.file });
    {
      using client = new MatrixClient(daemon.host);
      await prepareAll(client, subjects, stage.bootsAtOnce);
      problems.push(...(await runThrough(daemon, client, first, lived)));
      const parked = await park(daemon, client, first, killed);
      problems.push(...parked.problems);
      for (const pid of parked.stopped) stopped.add(pid);
      await daemon.crash();
    }
    const second = new ArmedPoints(join(daemon.home, 'second.json'), inRecovery);
    await daemon.boot({ VIVARIUM_FAILPOINTS: second.file });
    problems.push(...(await recoverInto(daemon, second, inRecovery, stopped)));
    await daemon.crash();

    await daemon.boot();
    await delay(STAND_STILL_MS);
    goOn(stopped);
    using client = new MatrixClient(daemon.host);
    const found = new Map((await settled(client)).map((sandbox) => [sandbox.spec?.name ?? '', sandbox]));
    await each(subjects, JUDGED_AT_ONCE, async (subject) => {
      const judged = isOfImage(subject.cell) ? judgeImage(client, subject) : judge(client, subject, found.get(subject.name));
      const wrong = await judged.catch((error: unknown) => [`could not be judged: ${String(error)}`]);
      problems.push(...wrong.map((problem) => ({ cell: subject.cell, problem })));
    });
    const audit = await client.host.audit({});
    return {
      problems: problems.map(({ cell, problem }) => `${cellName(cell)}: ${problem}`),
      loose: audit.resources.map(({ name, detail }) => `${name}: ${detail}`),
      well: cells.length - new Set(problems.map(({ cell }) => cell)).size,
    };
  } finally {
    goOn(stopped);
    await clear(daemon);
    await daemon[Symbol.asyncDispose]();
  }
}

/** Everything is found again, or settled: nothing is on its way any more. */
async function settled(client: MatrixClient): Promise<readonly Sandbox[]> {
  const moving: ReadonlySet<SandboxState> = new Set<SandboxState>([SandboxState.SANDBOX_STATE_CREATING, SandboxState.SANDBOX_STATE_RECOVERING, SandboxState.SANDBOX_STATE_STOPPING, SandboxState.SANDBOX_STATE_DELETING]);
  const until = Date.now() + SETTLE_MS;
  for (;;) {
    const all = await client.list();
    if (Date.now() > until || !all.some(({ state }) => moving.has(state))) return all;
    await delay(LOOK_MS);
  }
}

/** Deletes every sandbox by a daemon in which nothing is armed any more. */
async function clear(daemon: TestDaemon): Promise<void> {
  await daemon.crash();
  await daemon.boot();
  using client = new MatrixClient(daemon.host);
  await each(await settled(client), JUDGED_AT_ONCE, async ({ id }) => {
    await client.sandboxes.deleteSandbox({ sandboxId: id, force: true });
  });
}

function split<T>(items: readonly T[], isFirst: (item: T) => boolean): readonly [readonly T[], readonly T[]] {
  return [items.filter((item) => isFirst(item)), items.filter((item) => !isFirst(item))];
}
