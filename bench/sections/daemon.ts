import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { TestDaemon } from '../../test/system/daemon.ts';
import { BenchClient } from '../daemon/client.ts';
import { createSandbox, deleteSandboxes, FAKE_PROFILE, FLEET_FLAGS } from '../daemon/fake-fleet.ts';
import { LiveHeap } from '../daemon/live-heap.ts';
import { judged } from '../figure.ts';
import type { Outcome, Section, SectionContext } from '../figure.ts';
import { REPOSITORY } from '../paths.ts';
import { cpuMs, residentMib } from '../processes.ts';
import { digits, median, p95, quantile, slope } from '../stats.ts';

const CYCLES = 100;
const WARM_CYCLES = 20;
const FLEET = 200;
const STEP = 40;
const CREATES_AT_ONCE = 4;
/** A garbage collector that has nothing to do comes by on its own within about this. */
const SETTLE_MS = 3000;

const ROWS = {
  cpu: { name: "daemon's CPU for a create and its delete", target: '≤ 10 ms' },
  idle: { name: "daemon's memory, idle", target: '-' },
  slope: { name: "daemon's memory for each sandbox, over 200 fake VMMs", target: '≤ 0.1 MB' },
  heap: { name: "daemon's live heap for each sandbox, over 200 fake VMMs", target: '-' },
  get: { name: 'get, p99 while creates run', target: '≤ 5 ms' },
  list: { name: 'list, p99 while creates run', target: '≤ 5 ms' },
} as const;

/** What the daemon itself costs: real processes, sockets, records and fsyncs, with VMMs that only look like ones. */
export const DAEMON: Section = {
  name: 'daemon',
  limitMs: 240_000,
  rows: Object.values(ROWS),
  run: async (context) => {
    const perCycle = await inFreshDaemon({}, async (daemon, client) => await cycles(daemon, client, context));
    // Not the daemon of the cycles: what they left to be given back would be in its first point, and flatter the growth.
    const found = await inFreshDaemon({}, async (daemon, client) => await fleet(daemon, client, context, () => Promise.resolve(residentMib(daemon.pid))));
    using live = new LiveHeap();
    const heap = await inFreshDaemon(live.environment, async (daemon, client) => (await fleet(daemon, client, context, () => live.mib(daemon.pid))).points);
    return outcome({ perCycle, heap, ...found });
  },
};

async function inFreshDaemon<T>(env: Readonly<Record<string, string>>, work: (daemon: TestDaemon, client: BenchClient) => Promise<T>): Promise<T> {
  await using daemon = await TestDaemon.start({ profiles: { fake: FAKE_PROFILE }, flags: FLEET_FLAGS });
  if (Object.keys(env).length > 0) {
    await daemon.stop();
    await daemon.boot(env);
  }
  using client = new BenchClient(daemon.host);
  return await work(daemon, client);
}

/** CPU milliseconds for each of some groups of cycles, one after the other. */
async function cycles(daemon: TestDaemon, client: BenchClient, { signal, rounds, say }: SectionContext): Promise<readonly number[]> {
  const cycle = async (): Promise<void> => {
    const sandboxId = await createSandbox(client, 'fake', signal);
    await client.sandboxes.deleteSandbox({ requestId: '', sandboxId, force: true }, { signal });
  };
  for (let index = 0; index < rounds(WARM_CYCLES); index += 1) await cycle();
  const perCycle: number[] = [];
  const group = rounds(CYCLES) / 5;
  for (let index = 0; index < 5; index += 1) {
    const before = cpuMs(daemon.pid);
    for (let each = 0; each < group; each += 1) await cycle();
    perCycle.push((cpuMs(daemon.pid) - before) / group);
  }
  say(`CPU of a create and delete: ${digits(median(perCycle))} ms`);
  return perCycle;
}

interface Latencies {
  readonly get: readonly number[];
  readonly list: readonly number[];
  readonly listed: readonly number[];
}

interface Fleet {
  readonly points: readonly { readonly x: number; readonly y: number }[];
  readonly latencies: Latencies;
  /** Resident, right after the start. */
  readonly idleMib: number;
}

/** From one sandbox to all, with what the daemon holds at both ends. */
async function fleet(daemon: TestDaemon, client: BenchClient, context: SectionContext, heldMib: () => Promise<number>): Promise<Fleet> {
  const { signal, rounds, say } = context;
  const idleMib = residentMib(daemon.pid);
  const ids: string[] = [await createSandbox(client, 'fake', signal)];
  await delay(SETTLE_MS, undefined, { signal });
  const points = [{ x: ids.length, y: await heldMib() }];
  const probe = await startProbe(daemon.host, ids[0] ?? '', signal);
  const results: Latencies[] = [];
  while (ids.length < rounds(FLEET)) {
    const wanted = Math.min(rounds(STEP), rounds(FLEET) - ids.length);
    let started = 0;
    await Promise.all(Array.from({ length: CREATES_AT_ONCE }, async () => {
      for (; started < wanted;) {
        started += 1;
        ids.push(await createSandbox(client, 'fake', signal));
      }
    }));
  }
  results.push(await probe.stop());
  say(`${ids.length} fake VMMs run`);
  await delay(SETTLE_MS, undefined, { signal });
  points.push({ x: ids.length, y: await heldMib() });
  await deleteSandboxes(client, ids, CREATES_AT_ONCE, signal);
  const [latencies] = results;
  if (latencies === undefined) throw new Error('the probe said nothing');
  return { points, latencies, idleMib };
}

async function startProbe(host: string, sandboxId: string, signal: AbortSignal): Promise<{ stop(): Promise<Latencies> }> {
  const script = join(REPOSITORY, 'bench/daemon/latency-probe.ts');
  const child = spawn(process.execPath, ['--import', 'tsx', script, host, sandboxId], { stdio: ['pipe', 'pipe', 'inherit'], cwd: REPOSITORY, signal });
  const lines = createInterface({ input: child.stdout });
  await once(lines, 'line', { signal });
  return {
    stop: async () => {
      child.stdin.end();
      const [line] = (await once(lines, 'line', { signal })) as [string];
      return JSON.parse(line) as Latencies;
    },
  };
}

interface Found extends Fleet {
  readonly perCycle: readonly number[];
  readonly heap: Fleet['points'];
}

/** MB for each sandbox. */
function growth(points: Fleet['points']): number {
  return slope(points) * 1.048576;
}

function outcome({ idleMib, perCycle, points, heap, latencies }: Found): Outcome {
  const { get, list, listed } = latencies;
  const [first = { x: 0, y: NaN }, last = { x: 0, y: NaN }] = [points[0], points.at(-1)];
  const [firstHeap, lastHeap] = [heap[0]?.y ?? NaN, heap.at(-1)?.y ?? NaN];
  const calls = `${get.length} calls of each from a process of its own, ${CREATES_AT_ONCE} creates at a time; median`;
  return {
    figures: [
      judged({ ...ROWS.cpu, atMost: 10, note: 'user and system time of vivd alone, all threads, over groups of one create and delete after the other, after a warm-up; its launchers and VMMs are not in it' }, 'ms', median(perCycle), p95(perCycle)),
      judged({ ...ROWS.idle, note: `resident, right after its start; ${digits(first.y)} MiB with one sandbox` }, 'MiB', idleMib, undefined),
      judged({ ...ROWS.slope, atMost: 0.1, note: `resident ${digits(first.y)} MiB with ${first.x} sandbox, ${digits(last.y)} MiB with ${last.x}, ${SETTLE_MS / 1000} s after the last create, in a daemon that has done nothing else; no collection is forced, so what the creates left to be given back counts` }, 'MB', growth(points), undefined),
      judged({ ...ROWS.heap, note: `V8's used heap and external memory right after a forced full collection, ${digits(firstHeap)} MiB with 1 sandbox, ${digits(lastHeap)} with ${last.x}, in another fresh daemon, started for this row alone with NODE_OPTIONS that load the bench's collect-and-tell at SIGUSR2` }, 'MB', growth(heap), undefined),
      judged({ ...ROWS.get, atMost: 5, note: `${calls} ${digits(median(get))} ms` }, 'ms', quantile(get, 0.99), undefined),
      judged({ ...ROWS.list, atMost: 5, note: `${calls} ${digits(median(list))} ms; each lists all sandboxes there are, 1 to ${Math.max(...listed)}, and the probe decodes them in the time measured` }, 'ms', quantile(list, 0.99), undefined),
    ],
    samples: { 'CPU of a create and delete, ms': perCycle, 'sandboxes, then resident MiB': points.flatMap(({ x, y }) => [x, y]), 'sandboxes, then live heap MiB': heap.flatMap(({ x, y }) => [x, y]), 'get, ms': get, 'list, ms': list, 'sandboxes listed': listed },
  };
}
