import { TestDaemon } from '../../test/system/daemon.ts';
import { BareVm } from '../bare/bare-vm.ts';
import { makeBareGuest } from '../bare/bare-guest.ts';
import type { BareGuest } from '../bare/bare-guest.ts';
import { BenchClient, phaseEndMs, phaseMs } from '../daemon/client.ts';
import { against, judged, plainFigure, ratioFigure } from '../figure.ts';
import type { Outcome, Section, SectionContext } from '../figure.ts';
import { OFFICIAL, slowness } from '../official.ts';
import { RawVm } from '../raw/raw-vm.ts';
import { digits, median, p95, timed } from '../stats.ts';
import { TempDirectory } from '../temp-directory.ts';

const ROUNDS = 7;
const FURTHER_STARTS = 3;

const ROWS = {
  boot: { name: "create → agent's Check answered, over a bare boot", target: '≤ 0.85' },
  share: { name: "the daemon's own share of it", target: '≤ 50 ms' },
  first: { name: 'Check → first exec answered, over the same raw agent calls', target: '≤ 1.1' },
  start: { name: "our agent's create + start, over the official one's", target: '≤ 0.4' },
} as const;

interface Vm {
  readonly argv: readonly string[];
  readonly runDir: string;
}

class Samples {
  readonly bare: number[] = [];
  readonly check: number[] = [];
  readonly raw: number[] = [];
  /** From the request until the launcher has started the VMM. */
  readonly before: number[] = [];
  readonly first: number[] = [];
  readonly rawFirst: number[] = [];
  readonly rawStart: number[] = [];
  readonly rawFirstStart: number[] = [];
  readonly parts: Record<string, number[]> = {};

  part(name: string, ms: number): void {
    (this.parts[name] ??= []).push(ms);
  }
}

/** A bare boot, a sandbox of the daemon's and a VM launched by hand, in turns. */
export const BOOT: Section = {
  name: 'boot',
  limitMs: 240_000,
  rows: Object.values(ROWS),
  run: async (context) => {
    using home = new TempDirectory();
    const guest = await makeBareGuest(home.path);
    await using daemon = await TestDaemon.start();
    using client = new BenchClient(daemon.host);
    // The first create looks at QEMU and at the accelerators, and fills the page cache; what is measured is the second and later, of each kind.
    let vm = await ourRound(client, daemon, new Samples(), context.signal);
    await rawRound(vm, new Samples(), context.signal);
    const samples = new Samples();
    for (let round = 0; round < context.rounds(ROUNDS); round += 1) {
      await bareRound(guest, home.path, samples, context);
      vm = await ourRound(client, daemon, samples, context.signal);
      await rawRound(vm, samples, context.signal);
      context.say(`round ${round + 1}: bare ${digits(samples.bare.at(-1) ?? NaN)}, ours ${digits(samples.check.at(-1) ?? NaN)}, by hand ${digits(samples.raw.at(-1) ?? NaN)} ms`);
    }
    return outcome(samples);
  },
};

async function bareRound(guest: BareGuest, directory: string, samples: Samples, { signal }: SectionContext): Promise<void> {
  await using vm = await BareVm.boot(guest, directory, signal);
  samples.bare.push(vm.bootMs);
}

/** One sandbox from the request to the exit of its first exec. */
async function ourRound(client: BenchClient, daemon: TestDaemon, samples: Samples, signal: AbortSignal): Promise<Vm> {
  const created = await timed(() => client.sandboxes.createSandbox({ requestId: '', spec: {} }, { signal }));
  const { sandbox, phases } = created.value;
  if (sandbox === undefined) throw new Error('no sandbox in the reply');
  const container = await timed(() => client.sleeper(sandbox.id, signal));
  const exec = await timed(() => client.must(container.value, ['true'], signal));
  // What the call took outside the daemon's own clock counts as ours.
  const outside = created.ms - phaseEndMs(phases, 'total');
  const check = outside + phaseEndMs(phases, 'agent');
  samples.check.push(check);
  samples.before.push(outside + phaseEndMs(phases, 'vmm-start'));
  samples.first.push(created.ms - check + container.ms + exec.ms);
  for (const { name } of phases) samples.part(`phase ${name}, ms`, phaseMs(phases, name));
  samples.part('outside the daemon, ms', outside);
  samples.part('create and start of the container, ms', container.ms);
  samples.part('first exec, ms', exec.ms);
  await client.sandboxes.deleteSandbox({ requestId: '', sandboxId: sandbox.id, force: true }, { signal });
  return { argv: sandbox.vmmArgv, runDir: `${daemon.run}/s/${sandbox.shortId}` };
}

async function rawRound(vm: Vm, samples: Samples, signal: AbortSignal): Promise<void> {
  await using raw = await RawVm.boot(vm.argv, vm.runDir, signal);
  samples.raw.push(raw.bootMs);
  const { sandbox, create, start, exec } = await raw.firstExec(signal);
  samples.rawFirst.push(sandbox + create + start + exec);
  samples.rawFirstStart.push(create + start);
  for (let index = 0; index < FURTHER_STARTS; index += 1) samples.rawStart.push(await raw.furtherStart(index, signal));
  samples.part('raw set-up of the sandbox, ms', sandbox);
  samples.part('raw create, ms', create);
  samples.part('raw start, ms', start);
  samples.part('raw first exec, ms', exec);
}

function outcome(samples: Samples): Outcome {
  const share = median(samples.check) - median(samples.raw);
  const shares = samples.check.map((check, index) => check - (samples.raw[index] ?? NaN));
  const slower = slowness(samples.bare);
  return {
    figures: [
      ratioFigure({ ...ROWS.boot, atMost: 0.85, note: against(samples.check, samples.bare, 'ms') }, samples.check, samples.bare),
      judged({ ...ROWS.share, atMost: 50, note: `median from the request to Check, ${digits(median(samples.check))} ms, less ${digits(median(samples.raw))} ms of a VM launched by hand with the same arguments; the p95 is of pairs. From the request until QEMU is started: ${digits(median(samples.before))} ms` }, 'ms', share, p95(shares)),
      ratioFigure({ ...ROWS.first, atMost: 1.1, note: `${against(samples.first, samples.rawFirst, 'ms')}; the daemon's side mounts the overlay and records, the raw side finds it mounted` }, samples.first, samples.rawFirst),
      judged({
        ...ROWS.start,
        atMost: 0.4,
        note: `raw calls for a further container in a VM: ${digits(median(samples.rawStart))} ms against its ${OFFICIAL.createStartMs}, by boots of ${digits(median(samples.bare))} (bare, here) and ${OFFICIAL.bootMs} ms (its); in plain milliseconds ${digits(median(samples.rawStart) / OFFICIAL.createStartMs)}; the first container of a fresh VM takes ${digits(median(samples.rawFirstStart))} ms`,
      }, '×', median(samples.rawStart) / slower / OFFICIAL.createStartMs, p95(samples.rawStart) / slower / OFFICIAL.createStartMs),
      plainFigure({ name: 'bare boot (for the ratios above)', target: '-', note: 'QEMU started → first line' }, 'ms', samples.bare),
    ],
    samples: {
      'bare boot, ms': samples.bare,
      'request to Check, ms': samples.check,
      'request to the start of QEMU, ms': samples.before,
      'same VM by hand, start to Check, ms': samples.raw,
      'Check to first exec, ms': samples.first,
      'Check to first exec, raw calls, ms': samples.rawFirst,
      'raw create and start, first container, ms': samples.rawFirstStart,
      'raw create and start, further containers, ms': samples.rawStart,
      ...samples.parts,
    },
  };
}
