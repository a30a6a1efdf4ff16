import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readdirSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { TestDaemon } from '../../test/system/daemon.ts';
import { BenchClient } from '../daemon/client.ts';
import { against, ratioFigure } from '../figure.ts';
import type { Figure, Outcome, Section, SectionContext } from '../figure.ts';
import { IMAGES } from '../paths.ts';
import { RawVm } from '../raw/raw-vm.ts';
import { digits, timed } from '../stats.ts';

const MIB = 1024 * 1024;
const LARGE_MIB = 256;
const SMALL_FILES = 10_000;
const SMALL_BYTES = 1024;
const DIRECTORIES = 100;
const ROUNDS = 3;

const ROWS = {
  large: { name: `${LARGE_MIB} MiB read in a container, virtio-fs, over the same VM by hand`, target: '≥ 0.97' },
  small: { name: `${SMALL_FILES} small files read in a container, virtio-fs, over the same VM by hand`, target: '≥ 0.97' },
} as const;

class Samples {
  readonly large: number[] = [];
  readonly small: number[] = [];
  readonly rawLarge: number[] = [];
  readonly rawSmall: number[] = [];
}

/** Files of an image, each read once and so for the first time in its guest: by a process of a container, and in a VM that was launched and given its share by hand. */
export const READS: Section = {
  name: 'reads',
  limitMs: 600_000,
  rows: Object.values(ROWS),
  run: async (context) => {
    const { signal } = context;
    await using daemon = await TestDaemon.start();
    const rounds = context.rounds(ROUNDS);
    const tree = join(daemon.home, 'tree');
    makeTree(tree, rounds, context);
    await daemon.must('image', 'import', tree, 'reads:1');
    using client = new BenchClient(daemon.host);
    const { sandbox } = await client.sandboxes.createSandbox({ requestId: '', spec: {} }, { signal });
    if (sandbox === undefined) throw new Error('no sandbox in the reply');
    const containerId = await client.sleeper(sandbox.id, signal, 'reads:1');
    await using vm = await RawVm.boot(sandbox.vmmArgv, `${daemon.run}/s/${sandbox.shortId}`, signal, layerOf(daemon));
    await vm.firstExec(signal);
    const samples = new Samples();
    for (let round = 0; round < rounds; round += 1) {
      const ours = async (command: readonly string[]): Promise<number> => (await timed(() => client.must(containerId, command, signal))).ms;
      const raw = async (command: readonly string[]): Promise<number> => (await timed(() => rawly(vm, command, signal))).ms;
      samples.large.push((LARGE_MIB * 1000) / (await ours(large(round))));
      samples.rawLarge.push((LARGE_MIB * 1000) / (await raw(large(round))));
      samples.small.push((SMALL_FILES * 1000) / (await ours(small(round))));
      samples.rawSmall.push((SMALL_FILES * 1000) / (await raw(small(round))));
      context.say(`round ${round + 1}: ${digits(samples.large.at(-1) ?? NaN)} against ${digits(samples.rawLarge.at(-1) ?? NaN)} MiB/s, ${digits(samples.small.at(-1) ?? NaN)} against ${digits(samples.rawSmall.at(-1) ?? NaN)} files/s`);
    }
    return outcome(samples);
  },
};

const large = (round: number): readonly string[] => ['dd', `if=/large/${round}`, 'of=/dev/null', 'bs=1048576'];
const small = (round: number): readonly string[] => ['sh', '-c', `find /small/${round} -type f -exec cat {} + > /dev/null`];

async function rawly(vm: RawVm, command: readonly string[], signal: AbortSignal): Promise<void> {
  const { code } = await vm.raw.exec(vm.containerId, command, signal);
  if (code !== 0) throw new Error(`${command.join(' ')} ended with ${code}`);
}

/** The one layer of the one image. */
function layerOf(daemon: TestDaemon): string {
  const layers = join(daemon.root, 'images/layers/sha256');
  return join(layers, readdirSync(layers)[0] ?? '', 'fs');
}

/** Busybox, and files for each round. */
function makeTree(tree: string, rounds: number, { say, quick }: SectionContext): void {
  execFileSync('cp', ['-a', join(IMAGES, 'busybox/rootfs'), tree]);
  for (const name of ['large', 'small']) mkdirSync(join(tree, name));
  const block = randomBytes(MIB);
  for (let round = 0; round < rounds; round += 1) {
    const file = openSync(join(tree, 'large', String(round)), 'w');
    for (let written = 0; written < LARGE_MIB; written += 1) writeSync(file, block);
    closeSync(file);
    for (let index = 0; index < SMALL_FILES; index += 1) {
      const directory = join(tree, 'small', String(round), String(index % DIRECTORIES));
      if (index < DIRECTORIES) mkdirSync(directory, { recursive: true });
      writeFileSync(join(directory, String(index)), block.subarray(index, index + SMALL_BYTES));
    }
  }
  say(`${rounds} files of ${LARGE_MIB} MiB and ${rounds} × ${SMALL_FILES} small ones are made${quick ? ', for a dry run' : ''}`);
}

function outcome({ large: ours, rawLarge, small: ourSmall, rawSmall }: Samples): Outcome {
  const how = 'both sides with virtiofsd and cache=auto, each file read once, so from the host\'s memory and not from the guest\'s';
  return {
    figures: [rateFigure(ROWS.large, 'MiB/s', ours, rawLarge, `dd in pieces of 1 MiB; ${how}`), rateFigure(ROWS.small, 'files/s', ourSmall, rawSmall, `find -exec cat, ${SMALL_BYTES} bytes each in ${DIRECTORIES} directories; ${how}`)],
    samples: { 'large file in the container, MiB/s': ours, 'large file by hand, MiB/s': rawLarge, 'small files in the container, files/s': ourSmall, 'small files by hand, files/s': rawSmall },
  };
}

/** Of a rate the low end is the bad one. */
function rateFigure(row: { readonly name: string; readonly target: string }, unit: string, ours: readonly number[], raw: readonly number[], note: string): Figure {
  return { ...ratioFigure({ ...row, atLeast: 0.97, note: `${against(ours, raw, unit)}: ${note}` }, ours, raw), p95: undefined };
}
