import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { TestDaemon } from '../../test/system/daemon.ts';
import { BenchClient } from '../daemon/client.ts';
import { judged } from '../figure.ts';
import type { Outcome, Section, SectionContext } from '../figure.ts';
import { FAKE_VMM, REPOSITORY } from '../paths.ts';
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
  get: { name: 'get, p99 while creates run', target: '≤ 5 ms' },
  list: { name: 'list, p99 while creates run', target: '≤ 5 ms' },
} as const;

const PROFILE = `hypervisor_path = "${FAKE_VMM}"
accelerator = "tcg"
shared_fs = "none"
memory = "64MiB"
memory_overhead = "0MiB"
`;

/** What the daemon itself costs: real processes, sockets, records and fsyncs, with VMMs that only look like ones. */
export const DAEMON: Section = {
  name: 'daemon',
  limitMs: 150_000,
  rows: Object.values(ROWS),
  run: async (context) => {
    const flags = ['--admission-memory', '1TiB', '--admission-max-sandboxes', '1000', '--admission-queue-length', '1000'];
    await using daemon = await TestDaemon.start({ profiles: { fake: PROFILE }, flags });
    using client = new BenchClient(daemon.host);
    const idleAtStart = residentMib(daemon.pid);
    const perCycle = await cycles(daemon, client, context);
    const { points, latencies, ids } = await fleet(daemon, client, context);
    await removeAll(client, ids, context.signal);
    return outcome({ idleAtStart, perCycle, points, latencies });
  },
};

/** CPU milliseconds for each of some groups of cycles, one after the other. */
async function cycles(daemon: TestDaemon, client: BenchClient, { signal, rounds, say }: SectionContext): Promise<readonly number[]> {
  const cycle = async (): Promise<void> => {
    const sandboxId = await create(client, signal);
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
  readonly ids: readonly string[];
}

async function fleet(daemon: TestDaemon, client: BenchClient, context: SectionContext): Promise<Fleet> {
  const { signal, rounds, say } = context;
  const ids: string[] = [await create(client, signal)];
  await delay(SETTLE_MS, undefined, { signal });
  const points = [{ x: ids.length, y: residentMib(daemon.pid) }];
  const probe = await startProbe(daemon.host, ids[0] ?? '', signal);
  const results: Latencies[] = [];
  while (ids.length < rounds(FLEET)) {
    const wanted = Math.min(rounds(STEP), rounds(FLEET) - ids.length);
    let started = 0;
    await Promise.all(Array.from({ length: CREATES_AT_ONCE }, async () => {
      for (; started < wanted;) {
        started += 1;
        ids.push(await create(client, signal));
      }
    }));
  }
  results.push(await probe.stop());
  say(`${ids.length} fake VMMs run`);
  await delay(SETTLE_MS, undefined, { signal });
  points.push({ x: ids.length, y: residentMib(daemon.pid) });
  const [latencies] = results;
  if (latencies === undefined) throw new Error('the probe said nothing');
  return { points, latencies, ids };
}

async function create(client: BenchClient, signal: AbortSignal): Promise<string> {
  const { sandbox } = await client.sandboxes.createSandbox({ requestId: '', spec: { profile: 'fake' } }, { signal });
  if (sandbox === undefined) throw new Error('no sandbox in the reply');
  return sandbox.id;
}

async function removeAll(client: BenchClient, ids: readonly string[], signal: AbortSignal): Promise<void> {
  for (const sandboxId of ids) await client.sandboxes.deleteSandbox({ requestId: '', sandboxId, force: true }, { signal });
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

interface Found extends Omit<Fleet, 'ids'> {
  readonly idleAtStart: number;
  readonly perCycle: readonly number[];
}

function outcome({ idleAtStart, perCycle, points, latencies }: Found): Outcome {
  const { get, list, listed } = latencies;
  const [first = { x: 0, y: NaN }, last = { x: 0, y: NaN }] = [points[0], points.at(-1)];
  const growth = slope(points) * 1.048576;
  const calls = `${get.length} calls of each from a process of its own, ${CREATES_AT_ONCE} creates at a time; median`;
  return {
    figures: [
      judged({ ...ROWS.cpu, atMost: 10, note: 'user and system time of vivd alone, all threads, over groups of one create and delete after the other, after a warm-up; its launchers and VMMs are not in it' }, 'ms', median(perCycle), p95(perCycle)),
      judged({ ...ROWS.idle, note: `resident, right after its start; ${digits(first.y)} MiB with one sandbox after ${CYCLES + WARM_CYCLES} creates and deletes` }, 'MiB', idleAtStart, undefined),
      judged({ ...ROWS.slope, atMost: 0.1, note: `resident ${digits(first.y)} MiB with ${first.x} sandbox, ${digits(last.y)} MiB with ${last.x}, ${SETTLE_MS / 1000} s after the last create; no collection is forced: what earlier work left to be given back is in both` }, 'MB', growth, undefined),
      judged({ ...ROWS.get, atMost: 5, note: `${calls} ${digits(median(get))} ms` }, 'ms', quantile(get, 0.99), undefined),
      judged({ ...ROWS.list, atMost: 5, note: `${calls} ${digits(median(list))} ms; each lists all sandboxes there are, 1 to ${Math.max(...listed)}, and the probe decodes them in the time measured` }, 'ms', quantile(list, 0.99), undefined),
    ],
    samples: { 'CPU of a create and delete, ms': perCycle, 'sandboxes, then resident MiB': points.flatMap(({ x, y }) => [x, y]), 'get, ms': get, 'list, ms': list, 'sandboxes listed': listed },
  };
}
