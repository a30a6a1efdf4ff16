import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { SandboxState, type Sandbox } from '../../src/gen/vivarium/v1/sandbox.ts';
import { cellName, generate } from '../matrix/cells.ts';
import { judge } from '../matrix/judge.ts';
import { ArmedPoints, each, goOn, park, prepareAll, recoverInto, runThrough, type RoundProblem } from '../matrix/rounds.ts';
import { MatrixClient, type Subject } from '../matrix/subject.ts';
import { FAKE_VMM, TestDaemon } from './daemon.ts';

const LIMIT_MS = 1_800_000;
const SETTLE_MS = 90_000;
const JUDGED_AT_ONCE = 16;
const LOOK_MS = 200;
/** A VMM that stands still while the daemon comes back must not be taken for dead. */
const STAND_STILL_MS = 3000;

const PLAIN = [`hypervisor_path = "${FAKE_VMM}"`, 'accelerator = "tcg"', 'shared_fs = "none"', 'memory = "64MiB"', 'memory_overhead = "0MiB"', 'boot_timeout = "60s"', 'create_timeout = "120s"'].join('\n');
const FLAGS = ['--admission-memory', '1TiB', '--admission-max-sandboxes', '5000', '--admission-queue-length', '5000', '--admission-boot-concurrency', '1000', '--recovery-concurrency', '1000', '--health-interval', '5s'];

const ONLY = process.env['VIVARIUM_MATRIX_ONLY'];

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

describe('the fault matrix, on fake VMMs', () => {
  it('every step of every plan × before, after, between × killed, fails, hangs, caller leaves × VM healthy, stopped, dead', { timeout: LIMIT_MS }, async () => {
    const { cells, pruned } = generate();
    const chosen = ONLY === undefined ? cells : cells.filter((cell) => new RegExp(ONLY).test(cellName(cell)));
    const subjects = chosen.map((cell, index): Subject => ({ cell, name: `m${index}`, sandboxId: '', witness: '', target: '', vmm: undefined }));
    const [inRecovery, others] = split(subjects, ({ cell }) => cell.plan === 'recover');
    const [killed, lived] = split(others, ({ cell }) => cell.fault === 'killed');
    const problems: RoundProblem[] = [];
    const stopped = new Set<number>();

    const daemon = await TestDaemon.start({ profiles: { plain: PLAIN, shared: PLAIN.replace('"none"', '"virtiofs"') }, flags: FLAGS });
    try {
      await daemon.crash();
      const first = new ArmedPoints(join(daemon.home, 'first.json'), others);
      await daemon.boot({ VIVARIUM_FAILPOINTS: first.file });
      {
        using client = new MatrixClient(daemon.host);
        await prepareAll(client, subjects);
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
        const wrong = await judge(client, subject, found.get(subject.name)).catch((error: unknown) => [`could not be judged: ${String(error)}`]);
        problems.push(...wrong.map((problem) => ({ cell: subject.cell, problem })));
      });
      const audit = await client.host.audit({});
      const loose = audit.resources.map((resource) => `${resource.name}: ${resource.detail}`);
      process.stdout.write(report(chosen.length, pruned, problems));
      expect({ problems: problems.map(({ cell, problem }) => `${cellName(cell)}: ${problem}`), loose }).toEqual({ problems: [], loose: [] });
    } finally {
      goOn(stopped);
      await clear(daemon);
      await daemon[Symbol.asyncDispose]();
    }
  });
});

function split<T>(items: readonly T[], isFirst: (item: T) => boolean): readonly [readonly T[], readonly T[]] {
  return [items.filter((item) => isFirst(item)), items.filter((item) => !isFirst(item))];
}

function report(count: number, pruned: ReadonlyMap<string, number>, problems: readonly RoundProblem[]): string {
  const failed = new Set(problems.map(({ cell }) => cell)).size;
  const lines = [...pruned].map(([why, times]) => `  ${String(times).padStart(4)} left out: ${why}`);
  return `fault matrix: ${count} cells, ${count - failed} as they must be, ${failed} not\n${lines.join('\n')}\n`;
}
