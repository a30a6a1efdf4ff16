import { TestDaemon } from '../../test/system/daemon.ts';
import { BareVm } from '../bare/bare-vm.ts';
import { makeBareGuest } from '../bare/bare-guest.ts';
import { BenchClient } from '../daemon/client.ts';
import { digits, median, p95, timed } from '../stats.ts';
import { judged, ratioFigure } from '../figure.ts';
import type { Figure, Outcome, Section, SectionContext } from '../figure.ts';
import { OFFICIAL, slowness } from '../official.ts';
import { residentMib } from '../processes.ts';
import { RawAgent } from '../raw/raw-agent.ts';
import { TempDirectory } from '../temp-directory.ts';

const EXECS = 40;
const TURNS = 2;
const MIB = 1024 * 1024;
const STDOUT_BYTES = 256 * MIB;
/** Noise of a garbage-collected heap; the bytes that went through are 16 times as many. */
const GROWTH_MIB = 16;

const ROWS = {
  exec: { name: 'exec of `true` through the API, beyond the raw calls', target: '≤ +1 ms' },
  stdout: { name: '256 MiB of stdout through Exec, over a raw agent stream', target: '≥ 0.8' },
  port: { name: '256 MiB of stdout through Exec, over the bare port', target: '≥ 0.8' },
  growth: { name: "the daemon's memory, after 256 MiB and again", target: 'does not grow' },
  officialExec: { name: "our agent's exec, over the official one's", target: '≤ 0.2' },
  officialStdout: { name: "our agent's stdout, over the official one's", target: '≥ 5' },
} as const;

interface Place {
  readonly containerId: string;
  readonly socketPath: string;
  readonly tokenFile: string;
}

class Samples {
  readonly exec: number[] = [];
  readonly rawExec: number[] = [];
  readonly rawExecClosed: number[] = [];
  readonly stdout: number[] = [];
  readonly rawStdout: number[] = [];
  readonly port: number[] = [];
  readonly bareBoot: number[] = [];
  readonly resident: number[] = [];
}

/** One container; through the daemon, then with the daemon stopped straight to its agent, in turns. */
export const EXEC: Section = {
  name: 'exec',
  limitMs: 240_000,
  rows: Object.values(ROWS),
  run: async (context) => {
    const samples = new Samples();
    await bareTurn(samples, context);
    await using daemon = await TestDaemon.start();
    const place = await container(daemon, context.signal);
    for (let turn = 0; turn < TURNS; turn += 1) {
      await apiTurn(daemon, place, samples, context);
      await daemon.stop();
      await rawTurn(place, samples, context);
      await daemon.boot();
    }
    return outcome(samples);
  },
};

async function container(daemon: TestDaemon, signal: AbortSignal): Promise<Place> {
  using client = new BenchClient(daemon.host);
  const { sandbox } = await client.sandboxes.createSandbox({ requestId: '', spec: {} }, { signal });
  if (sandbox === undefined) throw new Error('no sandbox in the reply');
  const containerId = await client.sleeper(sandbox.id, signal);
  const runDir = `${daemon.run}/s/${sandbox.shortId}`;
  return { containerId, socketPath: `${runDir}/agent.sock`, tokenFile: `${runDir}/agent.token` };
}

async function apiTurn(daemon: TestDaemon, { containerId }: Place, samples: Samples, { signal, rounds, say }: SectionContext): Promise<void> {
  using client = new BenchClient(daemon.host);
  const { pid } = daemon;
  for (let warm = 0; warm < 5; warm += 1) await client.must(containerId, ['true'], signal);
  for (let index = 0; index < rounds(EXECS); index += 1) samples.exec.push((await timed(() => client.must(containerId, ['true'], signal))).ms);
  if (samples.resident.length === 0) samples.resident.push(residentMib(pid));
  for (let index = 0; index < (samples.stdout.length === 0 ? 2 : 1); index += 1) {
    samples.stdout.push(await megabytes(rounds(STDOUT_BYTES / MIB), (command) => client.must(containerId, command, signal)));
    if (samples.resident.length < 3) samples.resident.push(residentMib(pid));
  }
  say(`through the API: exec ${digits(median(samples.exec))} ms, stdout ${digits(median(samples.stdout))} MB/s`);
}

async function rawTurn(place: Place, samples: Samples, { signal, rounds, say }: SectionContext): Promise<void> {
  using raw = await RawAgent.connect(place, signal);
  const { containerId } = place;
  for (let warm = 0; warm < 5; warm += 1) await raw.exec(containerId, ['true'], signal);
  for (let index = 0; index < rounds(EXECS); index += 1) {
    samples.rawExec.push((await timed(() => raw.exec(containerId, ['true'], signal))).ms);
    samples.rawExecClosed.push((await timed(() => raw.exec(containerId, ['true'], signal, { closeStdin: true }))).ms);
  }
  for (let index = 0; index < (samples.rawStdout.length === 0 ? 2 : 1); index += 1) {
    samples.rawStdout.push(await megabytes(rounds(STDOUT_BYTES / MIB), (command) => raw.exec(containerId, command, signal)));
  }
  say(`raw calls: exec ${digits(median(samples.rawExec))} ms, stdout ${digits(median(samples.rawStdout))} MB/s`);
}

/** 10⁶ bytes a second of a process that writes so many MiB. */
async function megabytes(mib: number, run: (command: readonly string[]) => Promise<{ readonly code: number; readonly stdoutBytes: bigint }>): Promise<number> {
  const { ms, value } = await timed(() => run(['dd', 'if=/dev/zero', 'bs=65536', `count=${mib * 16}`]));
  if (value.stdoutBytes !== BigInt(mib * MIB)) throw new Error(`${value.stdoutBytes} bytes came instead of ${mib * MIB}, exit code ${value.code}`);
  return Number(value.stdoutBytes) / 1e6 / (ms / 1000);
}

async function bareTurn(samples: Samples, { signal, rounds, say }: SectionContext): Promise<void> {
  using home = new TempDirectory();
  const guest = await makeBareGuest(home.path);
  for (let index = 0; index < 3; index += 1) {
    await using vm = await BareVm.boot(guest, home.path, signal);
    samples.bareBoot.push(vm.bootMs);
    samples.port.push((await vm.spew(rounds(STDOUT_BYTES / MIB) * MIB, signal)) / 1e6);
  }
  say(`bare port: ${digits(median(samples.port))} MB/s`);
}

function outcome(samples: Samples): Outcome {
  const { exec, rawExec, rawExecClosed, stdout, rawStdout, port } = samples;
  return {
    figures: [
      judged({ ...ROWS.exec, atMost: 1, note: `${digits(median(exec))} ms against ${digits(median(rawExec))} ms to its exit; raw is ExecProcess and the output's stream to the exit. The daemon also closes stdin, and with that call raw takes ${digits(median(rawExecClosed))} ms` }, 'ms', median(exec) - median(rawExec), p95(exec) - median(rawExec)),
      throughput({ ...ROWS.stdout, atLeast: 0.8, note: 'the same container, the daemon stopped, our own client reading the agent\'s stream' }, stdout, rawStdout),
      throughput({ ...ROWS.port, atLeast: 0.8, note: 'a bare VM that does nothing but write zeros to its port in pieces of 64 KiB: no container, pipe, agent or frames' }, stdout, port),
      growthFigure(samples.resident),
      ...officialFigures(samples),
    ],
    samples: {
      'exec of true through the API, ms': exec,
      'exec of true, raw calls, ms': rawExec,
      'exec of true, raw calls and stdin closed, ms': rawExecClosed,
      'stdout through the API, MB/s': stdout,
      'stdout, raw agent stream, MB/s': rawStdout,
      'bare port, MB/s': port,
      'bare boot, ms': samples.bareBoot,
      'daemon resident before, after the first and the second 256 MiB, MiB': samples.resident,
    },
  };
}

/** Of a rate the low end is the bad one: the p95 column has the rate that 95 % of the samples reach. */
function throughput(claim: { readonly name: string; readonly target: string; readonly atLeast: number; readonly note: string }, ours: readonly number[], bare: readonly number[]): Figure {
  const note = `${digits(median(ours))} against ${digits(median(bare))} MB/s: ${claim.note}`;
  const figure = ratioFigure({ ...claim, note }, ours, bare);
  const low = p95(ours.map((sample) => -sample)) * -1;
  return { ...figure, p95: low / median(bare) };
}

function growthFigure(resident: readonly number[]): Figure {
  const [before = NaN, first = NaN, second = NaN] = resident;
  const note = `resident ${digits(before)} MiB before, ${digits(first)} after the first, ${digits(second)} after the second; reached means at most ${GROWTH_MIB} MiB more after the second than after the first`;
  return judged({ ...ROWS.growth, atMost: GROWTH_MIB, note }, 'MiB', second - first, undefined);
}

function officialFigures({ rawExec, rawStdout, bareBoot }: Samples): readonly Figure[] {
  const { execMs, stdoutMbPerSecond, bootMs } = OFFICIAL;
  const slower = slowness(bareBoot);
  const boots = `by boots of ${digits(median(bareBoot))} (bare, here) and ${bootMs} ms (its)`;
  const times = median(rawStdout) / stdoutMbPerSecond;
  return [
    judged({ ...ROWS.officialExec, atMost: 0.2, note: `raw calls: ${digits(median(rawExec))} ms against its ${execMs}, ${boots}; in plain milliseconds ${digits(median(rawExec) / execMs)}` }, '×', median(rawExec) / slower / execMs, p95(rawExec) / slower / execMs),
    judged({ ...ROWS.officialStdout, atLeast: 5, note: `raw stream: ${digits(median(rawStdout))} MB/s against its ${stdoutMbPerSecond}, ${boots}; in plain MB/s ${digits(times)}` }, '×', times * slower, undefined),
  ];
}
