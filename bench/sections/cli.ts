import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { TestDaemon } from '../../test/system/daemon.ts';
import { against, ratioFigure } from '../figure.ts';
import type { Section } from '../figure.ts';
import { REPOSITORY } from '../paths.ts';
import { timed } from '../stats.ts';

const ROUNDS = 20;

const ROWS = {
  alone: { name: '`viv version`, over `node -e 0`', target: '≤ 2.5' },
  asking: { name: '`viv version` that asks a running daemon, over `node -e 0`', target: '-' },
} as const;

/** Whole processes, from start to exit, in turns. */
export const CLI: Section = {
  name: 'cli',
  limitMs: 90_000,
  rows: Object.values(ROWS),
  run: async ({ signal, rounds }) => {
    await using daemon = await TestDaemon.start();
    const [node, alone, asking]: [number[], number[], number[]] = [[], [], []];
    const viv = join(REPOSITORY, 'bin/viv');
    const nobody = { VIVARIUM_HOST: `unix:${daemon.home}/nobody.sock` };
    for (let round = -1; round < rounds(ROUNDS); round += 1) {
      const took = [
        await processMs('node', ['-e', '0'], {}, signal),
        await processMs(viv, ['version'], nobody, signal),
        await processMs(viv, ['version'], { VIVARIUM_HOST: daemon.host }, signal),
      ];
      // The first round only fills the page cache.
      if (round >= 0) [node, alone, asking].forEach((samples, index) => samples.push(took[index] ?? NaN));
    }
    return {
      figures: [
        ratioFigure({ ...ROWS.alone, atMost: 2.5, note: `${against(alone, node, 'ms')}; no daemon runs, so its own version is all that is told` }, alone, node),
        ratioFigure({ ...ROWS.asking, note: `${against(asking, node, 'ms')}; this one loads the gRPC library (no target set for it)` }, asking, node),
      ],
      samples: { 'node -e 0, ms': node, 'viv version, ms': alone, 'viv version with a daemon, ms': asking },
    };
  },
};

async function processMs(path: string, args: readonly string[], env: Readonly<Record<string, string>>, signal: AbortSignal): Promise<number> {
  const { ms } = await timed(async () => {
    const child = spawn(path, args, { stdio: ['ignore', 'ignore', 'ignore'], env: { ...process.env, ...env }, signal });
    const [code] = (await once(child, 'exit')) as [number | null];
    if (code !== 0) throw new Error(`${path} ${args.join(' ')} ended with ${code}`);
  });
  return ms;
}
