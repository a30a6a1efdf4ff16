import { rmSync } from 'node:fs';
import { TestDaemon } from '../../test/system/daemon.ts';
import { Book } from '../chaos/book.ts';
import { killUntil } from '../chaos/killer.ts';
import { Lane } from '../chaos/lane.ts';
import { DaemonLife } from '../chaos/life.ts';
import { killsOf } from '../chaos/schedule.ts';
import type { Operation } from '../chaos/schedule.ts';
import { FAKE_PROFILE, FLEET_FLAGS } from '../daemon/fake-fleet.ts';
import { judged } from '../figure.ts';
import type { Outcome, Section, SectionContext } from '../figure.ts';
import { LeakProof } from '../host/leak-proof.ts';
import type { Leaks } from '../host/leak-proof.ts';
import { residentMib } from '../processes.ts';
import { digits, median } from '../stats.ts';

const SAMPLED_MS = 2000;

interface Soak {
  readonly name: string;
  readonly what: string;
  readonly profile: string;
  readonly lifecycles: { readonly full: number; readonly quick: number };
  readonly atOnce: number;
  readonly killMs: number;
  readonly limitMs: number;
}

const FAKE: Soak = { name: 'soak', what: '10,000 lifecycles on fake VMMs', profile: 'fake', lifecycles: { full: 10_000, quick: 300 }, atOnce: 6, killMs: 2500, limitMs: 5_400_000 };
const REAL: Soak = { name: 'soak-real', what: '100 lifecycles on real QEMU', profile: 'default', lifecycles: { full: 100, quick: 3 }, atOnce: 2, killMs: 8000, limitMs: 1_800_000 };
const VICTIMS = { daemon: 2, launcher: 1, vmm: 1 } as const;

interface Found {
  readonly book: Book;
  readonly leaks: Leaks;
  readonly seconds: number;
  readonly residentMib: readonly number[];
}

export const SOAK = section(FAKE);
export const SOAK_REAL = section(REAL);

/** Lifecycles with random kills among them, and two proofs that nothing is left: the daemon's own and the host's. */
function section(soak: Soak): Section {
  const rows = rowsOf(soak);
  return {
    name: soak.name,
    limitMs: soak.limitMs,
    onlyWhenNamed: true,
    rows: Object.values(rows),
    run: async (context) => {
      const count = context.quick ? soak.lifecycles.quick : soak.lifecycles.full;
      return outcome(rows, count, await run(soak, count, context));
    },
  };
}

function rowsOf({ what }: Soak): Readonly<Record<'audit' | 'diff' | 'promises' | 'pace', { readonly name: string; readonly target: string }>> {
  return {
    audit: { name: `leaks after ${what}, by the audit`, target: '0' },
    diff: { name: `leaks after ${what}, by a diff of the host`, target: '0' },
    promises: { name: `promises broken during ${what}`, target: '0' },
    pace: { name: `pace of ${what}`, target: '-' },
  };
}

async function run(soak: Soak, count: number, context: SectionContext): Promise<Found> {
  const daemon = await TestDaemon.start({ profiles: { fake: FAKE_PROFILE }, flags: FLEET_FLAGS });
  await daemon.stop();
  using life = new DaemonLife(daemon, context.signal);
  const proof = new LeakProof(life);
  await life.begin();
  const book = new Book();
  const began = performance.now();
  const resident = await lifecycles(soak, count, { life, book, context });
  const seconds = (performance.now() - began) / 1000;
  context.signal.throwIfAborted();
  const found = { book, leaks: await proof.prove(), seconds, residentMib: resident };
  for (const line of [...book.violations, ...found.leaks.byAudit, ...found.leaks.byDiff]) context.say(line);
  if (found.leaks.byDiff.length === 0) rmSync(daemon.home, { recursive: true, force: true });
  return found;
}

async function lifecycles(soak: Soak, count: number, { life, book, context }: { readonly life: DaemonLife; readonly book: Book; readonly context: SectionContext }): Promise<readonly number[]> {
  const done = new AbortController();
  const stop = AbortSignal.any([context.signal, done.signal]);
  const left = countdown(count);
  const profiles = { plain: soak.profile, shared: soak.profile };
  const resident = [residentMib(life.daemon.pid)];
  const sampler = setInterval(() => { resident.push(...residentNow(life.daemon)); }, SAMPLED_MS);
  try {
    // What is killed differs each time all the same: it is whatever runs at that moment.
    const killer = killUntil(stop, killsOf(soak.name, soak.killMs, VICTIMS), { life, book, say: () => undefined });
    const lanes = Array.from({ length: soak.atOnce }, async (_each, index) => { await new Lane({ index, life, book, profiles }).run(oneAfterTheOther(left), () => context.signal.aborted); });
    await Promise.all(lanes);
    done.abort();
    await killer;
  } finally {
    clearInterval(sampler);
    done.abort();
  }
  return [...resident, ...residentNow(life.daemon)];
}

/** Shared by all lanes: each takes the next of what is left. */
function* countdown(count: number): Generator<number> {
  for (let left = count; left > 0; left -= 1) yield left;
}

function* oneAfterTheOther(left: Generator<number>): Generator<Operation> {
  while (left.next().done !== true) yield* ['create', 'container', 'exec', 'delete'] as const;
}

function residentNow(daemon: TestDaemon): readonly number[] {
  try {
    return [residentMib(daemon.pid)];
  } catch {
    // It has just been killed.
    return [];
  }
}

function outcome(rows: ReturnType<typeof rowsOf>, count: number, { book, leaks, seconds, residentMib: resident }: Found): Outcome {
  const times = (what: string): number => book.done.get(what) ?? 0;
  const kills = `${times('killed: daemon')} kills of the daemon, ${times('killed: launcher')} of launchers, ${times('killed: vmm')} of VMMs`;
  const refused = [...book.refused.values()].reduce((sum, each) => sum + each, 0);
  const cycles = `${count} times create, container, exec, delete, with ${kills} among them`;
  return {
    figures: [
      judged({ ...rows.audit, atMost: 0, note: `${cycles}; what HostService.Audit finds once every sandbox is deleted` }, '', leaks.byAudit.length, undefined),
      judged({ ...rows.diff, atMost: 0, note: `processes, mounts, network namespaces and links, sockets, cgroups, shared memory and directories, before and after, read from the kernel without the daemon; ${leaks.foreign} new things bear another daemon's mark` }, '', leaks.byDiff.length, undefined),
      judged({ ...rows.promises, atMost: 0, note: `an acknowledged sandbox that is gone, a VM that died without being killed, a refusal without a type or a fault to explain it; ${refused} calls were refused because of a fault` }, '', book.violations.length, undefined),
      judged({ ...rows.pace, note: `lifecycles a second over ${digits(seconds)} s; vivd resident ${digits(resident[0] ?? NaN)} MiB at its first start, ${digits(median(resident))} in the middle, ${digits(Math.max(...resident))} at most, ${digits(resident.at(-1) ?? NaN)} at the end` }, '/s', count / seconds, undefined),
    ],
    samples: { 'vivd resident, MiB': resident },
    facts: Object.fromEntries([...book.done, ...[...book.refused].map(([what, each]) => [`refused: ${what}`, each] as const)]),
  };
}
