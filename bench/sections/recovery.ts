import { setTimeout as delay } from 'node:timers/promises';
import { SandboxState } from '../../src/gen/vivarium/v1/sandbox.ts';
import { TestDaemon } from '../../test/system/daemon.ts';
import { BenchClient } from '../daemon/client.ts';
import { createSandbox, deleteSandboxes, eachAtOnce, FAKE_PROFILE, FLEET_FLAGS } from '../daemon/fake-fleet.ts';
import { plainFigure } from '../figure.ts';
import type { Figure, Outcome, Section, SectionContext } from '../figure.ts';
import { cpuMs } from '../processes.ts';
import { digits, median } from '../stats.ts';

/** Between two questions whether anything is still recovering: at least so long, and this share of the time so far. What is asked must not be what is measured. */
const LOOK_MS = 5;
const LOOK_SHARE = 0.02;
const CREATED_AT_ONCE = 8;
const REAL_AT_ONCE = 2;

interface Fleet {
  readonly key: string;
  readonly what: string;
  readonly profile: string;
  readonly size: { readonly full: number; readonly quick: number };
  readonly kills: { readonly full: number; readonly quick: number };
  readonly atMostMs: number;
  readonly target: string;
}

const FLEETS: readonly Fleet[] = [
  { key: 'real', what: '8 real VMs', profile: 'default', size: { full: 8, quick: 2 }, kills: { full: 7, quick: 2 }, atMostMs: 500, target: '≤ 0.5 s' },
  { key: 'hundred', what: '100 fake VMMs', profile: 'fake', size: { full: 100, quick: 20 }, kills: { full: 5, quick: 2 }, atMostMs: 1000, target: '≤ 1 s' },
  { key: 'thousand', what: '1,000 fake VMMs', profile: 'fake', size: { full: 1000, quick: 100 }, kills: { full: 3, quick: 1 }, atMostMs: 5000, target: '≤ 5 s' },
];

const rowOf = ({ what, target }: Fleet): { readonly name: string; readonly target: string } => ({ name: `recovery after kill -9: ${what}`, target });

/** One daemon's way back. Times count from its exec. */
interface Recovered {
  readonly answeredMs: number;
  readonly adoptedMs: number;
  /** Of vivd alone, all threads, from exec to the last adoption. */
  readonly cpuMs: number;
}

/** `kill -9` of vivd, and the time from exec of the next one until every sandbox is adopted. */
export const RECOVERY: Section = {
  name: 'recovery',
  limitMs: 420_000,
  rows: FLEETS.map(rowOf),
  run: async (context) => {
    const figures: Figure[] = [];
    const samples: Record<string, readonly number[]> = {};
    const alone = await idleStarts(context);
    for (const fleet of FLEETS) {
      const outcome = await measure(fleet, alone, context);
      figures.push(...outcome.figures);
      Object.assign(samples, outcome.samples);
    }
    return { figures, samples: { 'a daemon without sandboxes, exec to first answer, ms': alone.map(({ answeredMs }) => answeredMs), ...samples } };
  },
};

/** What a start costs that finds nothing: in every figure here, and no part of adoption. */
async function idleStarts(context: SectionContext): Promise<readonly Recovered[]> {
  await using daemon = await TestDaemon.start();
  return await crashes(daemon, 0, context.quick ? 2 : 5, context);
}

async function measure(fleet: Fleet, alone: readonly Recovered[], context: SectionContext): Promise<Outcome> {
  const { quick, signal, say } = context;
  const count = quick ? fleet.size.quick : fleet.size.full;
  await using daemon = await TestDaemon.start({ profiles: { fake: FAKE_PROFILE }, flags: FLEET_FLAGS });
  const ids = await fill(daemon, fleet, count, signal);
  say(`${ids.length} run`);
  try {
    const found = await crashes(daemon, count, quick ? fleet.kills.quick : fleet.kills.full, context);
    return outcome(fleet, count, alone, found);
  } finally {
    using client = new BenchClient(daemon.host);
    await deleteSandboxes(client, ids, CREATED_AT_ONCE, AbortSignal.timeout(120_000));
  }
}

/** Every sandbox has a container that runs: its process is found again too. */
async function fill(daemon: TestDaemon, { profile }: Fleet, count: number, signal: AbortSignal): Promise<readonly string[]> {
  using client = new BenchClient(daemon.host);
  const ids: string[] = [];
  await eachAtOnce(Array.from({ length: count }), profile === 'fake' ? CREATED_AT_ONCE : REAL_AT_ONCE, async () => {
    const id = await createSandbox(client, profile, signal);
    ids.push(id);
    await client.sleeper(id, signal);
  });
  return ids;
}

async function crashes(daemon: TestDaemon, count: number, times: number, { signal, say }: SectionContext): Promise<readonly Recovered[]> {
  const found: Recovered[] = [];
  for (let each = 0; each < times; each += 1) {
    await daemon.crash();
    found.push(await recover(daemon, count, signal));
    const last = found.at(-1);
    if (last !== undefined) say(`${count}: answers after ${digits(last.answeredMs)} ms, all adopted after ${digits(last.adoptedMs)} ms, ${digits(last.cpuMs)} ms of CPU`);
  }
  return found;
}

async function recover(daemon: TestDaemon, count: number, signal: AbortSignal): Promise<Recovered> {
  const began = performance.now();
  await daemon.boot();
  using client = new BenchClient(daemon.host);
  await client.host.getVersion({}, { signal });
  const answeredMs = performance.now() - began;
  // A page of one: what is asked for must not be what is measured.
  while ((await client.sandboxes.listSandboxes({ states: [SandboxState.SANDBOX_STATE_RECOVERING], pageSize: 1 }, { signal })).sandboxes.length > 0) {
    await delay(Math.max(LOOK_MS, (performance.now() - began) * LOOK_SHARE), undefined, { signal });
  }
  const recovered = { answeredMs, adoptedMs: performance.now() - began, cpuMs: cpuMs(daemon.pid) };
  await allRun(client, count, signal);
  return recovered;
}

/** A quick recovery that lost something is none. */
async function allRun(client: BenchClient, count: number, signal: AbortSignal): Promise<void> {
  const { sandboxes } = await client.sandboxes.listSandboxes({}, { signal });
  const running = sandboxes.filter(({ state, conditions }) => state === SandboxState.SANDBOX_STATE_RUNNING && conditions.length === 0);
  if (running.length !== count) throw new Error(`${running.length} of ${count} sandboxes run and are without conditions`);
}

function outcome(fleet: Fleet, count: number, alone: readonly Recovered[], found: readonly Recovered[]): Outcome {
  const adopted = found.map(({ adoptedMs }) => adoptedMs / 1000);
  const answered = found.map(({ answeredMs }) => answeredMs);
  const idle = median(alone.map(({ cpuMs: each }) => each));
  const share = found.map(({ cpuMs: each }) => (each - idle) / count);
  const note = `from exec of vivd until none of ${count} is recovering, each with a container that runs; the API answers after ${digits(median(answered))} ms (${digits(median(alone.map(({ answeredMs }) => answeredMs)))} ms with no sandbox at all); `
    + `${digits(median(share))} ms of vivd's CPU for each sandbox beyond the ${digits(idle)} ms of a start that finds none`;
  return {
    figures: [plainFigure({ ...rowOf(fleet), atMost: fleet.atMostMs / 1000, note }, 's', adopted)],
    samples: { [`${fleet.what}: exec to all adopted, s`]: adopted, [`${fleet.what}: exec to first answer, ms`]: answered, [`${fleet.what}: CPU for each sandbox, ms`]: share },
  };
}
