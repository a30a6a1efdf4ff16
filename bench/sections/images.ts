import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { RootfsMode } from '../../src/gen/vivarium/v1/container.ts';
import { TestRegistry } from '../../test/fakes/registry.ts';
import { TestDaemon } from '../../test/system/daemon.ts';
import { BenchClient, phaseMs } from '../daemon/client.ts';
import { against, notMeasured, plainFigure, ratioFigure } from '../figure.ts';
import type { Figure, Outcome, Section, SectionContext } from '../figure.ts';
import { largeImage } from '../images/large-image.ts';
import { digits, median, timed } from '../stats.ts';

const IMAGE_MIB = 200;
const ROUNDS = 3;
const CONTAINERS = 12;
const [SKOPEO, UMOCI] = ['/usr/bin/skopeo', '/usr/bin/umoci'];

const ROWS = {
  pull: { name: `cold pull and unpack of a ${IMAGE_MIB} MB image from loopback, over skopeo and umoci by hand`, target: '≤ 1.0' },
  virtiofs: { name: 'second container of one image, virtio-fs: root file system ready', target: '≤ 20 ms' },
  block: { name: 'second container of one image, block: root file system ready', target: '≤ 20 ms' },
} as const;

interface Mode {
  readonly value: RootfsMode;
  /** The step of CreateContainer after which the host's part of it is there. */
  readonly step: string;
  readonly overrides: Readonly<Record<string, string>>;
}

const MODES: Readonly<Record<'virtiofs' | 'block', Mode>> = {
  virtiofs: { value: RootfsMode.ROOTFS_MODE_VIRTIOFS, step: 'rootfs', overrides: {} },
  block: { value: RootfsMode.ROOTFS_MODE_BLOCK, step: 'disks', overrides: { block_rootfs: 'true' } },
};

class Samples {
  readonly ours: number[] = [];
  readonly byHand: number[] = [];
  readonly skopeo: number[] = [];
  readonly virtiofs: number[] = [];
  readonly block: number[] = [];
  readonly parts: Record<string, number[]> = {};
}

/** One image from a registry in this process, by `viv pull` and by the tools of the distribution in turns; then containers of it. */
export const IMAGES: Section = {
  name: 'images',
  limitMs: 300_000,
  rows: Object.values(ROWS),
  run: async (context) => {
    await using daemon = await TestDaemon.start();
    await using registry = await TestRegistry.start();
    const reference = registry.put('bench/large', '1', largeImage(context.rounds(IMAGE_MIB)));
    context.say('the image is made');
    const samples = new Samples();
    for (let round = 0; round < context.rounds(ROUNDS); round += 1) {
      samples.ours.push(await pulled(daemon, reference, round > 0));
      if (hasTools()) byHand(await handMade(daemon.home, reference, context.signal), samples);
      context.say(`round ${round + 1}: viv pull ${digits(samples.ours.at(-1) ?? NaN)}, by hand ${digits(samples.byHand.at(-1) ?? NaN)} s`);
    }
    await containers(daemon, reference, { mode: 'virtiofs', samples }, context);
    await containers(daemon, reference, { mode: 'block', samples }, context);
    return outcome(samples);
  },
};

function hasTools(): boolean {
  return existsSync(SKOPEO) && existsSync(UMOCI);
}

/** Seconds of the command, from a store that has nothing of it. */
async function pulled(daemon: TestDaemon, reference: string, isThere: boolean): Promise<number> {
  if (isThere) await daemon.must('rmi', reference);
  await daemon.must('image', 'prune', '--all', '--force');
  settle();
  return (await timed(() => daemon.must('pull', '--quiet', reference))).ms / 1000;
}

interface HandMade {
  readonly skopeo: number;
  readonly umoci: number;
}

/** What one does without us: a layout of the image, and a bundle of the layout. */
async function handMade(home: string, reference: string, signal: AbortSignal): Promise<HandMade> {
  const directory = join(home, 'by-hand');
  mkdirSync(directory);
  try {
    settle();
    const run = async (command: string, args: readonly string[]): Promise<number> => (await timed(() => promisify(execFile)(command, [...args], { signal }))).ms / 1000;
    const skopeo = await run(SKOPEO, ['--insecure-policy', 'copy', '--quiet', '--src-tls-verify=false', `docker://${reference}`, `oci:${directory}/layout:it`]);
    const umoci = await run(UMOCI, ['unpack', '--image', `${directory}/layout:it`, `${directory}/bundle`]);
    return { skopeo, umoci };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function byHand({ skopeo, umoci }: HandMade, samples: Samples): void {
  samples.byHand.push(skopeo + umoci);
  samples.skopeo.push(skopeo);
}

/** What was written before is on the disk: nobody pays for another's pages. */
function settle(): void {
  execFileSync('sync');
}

/** The first container finds what the pull made, and has the image made a disk where it needs one; what is counted are those after it. */
async function containers(daemon: TestDaemon, reference: string, { mode, samples }: { readonly mode: 'virtiofs' | 'block'; readonly samples: Samples }, { signal, rounds, say }: SectionContext): Promise<void> {
  using client = new BenchClient(daemon.host);
  const { value, step, overrides } = MODES[mode];
  const { sandbox } = await client.sandboxes.createSandbox({ requestId: '', spec: { overrides } }, { signal });
  const sandboxId = sandbox?.id ?? '';
  for (let index = 0; index <= Math.max(2, rounds(CONTAINERS)); index += 1) {
    const { phases } = await client.containers.createContainer({ requestId: '', sandboxId, spec: { rootfs: { $case: 'image', value: reference }, rootfsMode: value, args: ['/bin/sh'] } }, { signal });
    if (index === 0) continue;
    samples[mode].push(phaseMs(phases, step));
    for (const { name } of phases) (samples.parts[`${mode}, phase ${name}, ms`] ??= []).push(phaseMs(phases, name));
  }
  say(`${mode}: ${digits(median(samples[mode]))} ms`);
  await client.sandboxes.deleteSandbox({ requestId: '', sandboxId, force: true }, { signal });
}

function outcome({ ours, byHand: hand, skopeo, virtiofs, block, parts }: Samples): Outcome {
  const after = `of CreateContainer, ${virtiofs.length} containers after the first in one sandbox`;
  return {
    figures: [
      pullFigure(ours, hand),
      plainFigure({ ...ROWS.virtiofs, atMost: 20, note: `the step "rootfs" ${after}: the overlay is mounted in the share` }, 'ms', virtiofs),
      plainFigure({ ...ROWS.block, atMost: 20, note: `the step "disks" ${after}: its own disk is made, plugged in and seen by the guest; the image's disk is there` }, 'ms', block),
    ],
    samples: { 'viv pull, s': ours, 'skopeo copy and umoci unpack, s': hand, 'skopeo copy alone, s': skopeo, 'root file system of a further container, virtio-fs, ms': virtiofs, 'root file system of a further container, block, ms': block, ...parts },
  };
}

function pullFigure(ours: readonly number[], hand: readonly number[]): Figure {
  if (hand.length === 0) return notMeasured(ROWS.pull, `${SKOPEO} or ${UMOCI} is not installed`);
  return ratioFigure({ ...ROWS.pull, atMost: 1, note: `${against(ours, hand, 's')}: the whole command \`viv pull\`, whose layers are on the disk (fsync) when it ends, against \`skopeo copy\` into a layout and \`umoci unpack\` of it, which leave that to the kernel` }, ours, hand);
}
