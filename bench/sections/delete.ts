import { execFileSync } from 'node:child_process';
import { TestDaemon } from '../../test/system/daemon.ts';
import { BenchClient, phaseMs } from '../daemon/client.ts';
import { plainFigure } from '../figure.ts';
import type { Section } from '../figure.ts';
import { digits, timed } from '../stats.ts';

const ROUNDS = 5;
const WRITTEN_MB = 300;

const ROW = { name: 'delete returns, after a container wrote 300 MB, everything gone', target: '≤ 0.1 s' } as const;

/** A sandbox whose container has filled its writable layer is deleted by force; what is left of it is looked for at once. */
export const DELETE: Section = {
  name: 'delete',
  limitMs: 180_000,
  rows: [ROW],
  run: async ({ signal, rounds, say }) => {
    await using daemon = await TestDaemon.start();
    using client = new BenchClient(daemon.host);
    const deletes: number[] = [];
    const parts: Record<string, number[]> = {};
    const left: number[] = [];
    const trash: number[] = [];
    for (let round = 0; round < rounds(ROUNDS); round += 1) {
      const { sandbox } = await client.sandboxes.createSandbox({ requestId: '', spec: {} }, { signal });
      if (sandbox === undefined) throw new Error('no sandbox in the reply');
      const container = await client.sleeper(sandbox.id, signal);
      await client.must(container, ['dd', 'if=/dev/zero', 'of=/big', 'bs=1000000', `count=${rounds(WRITTEN_MB)}`], signal);
      const removed = await timed(() => client.sandboxes.deleteSandbox({ requestId: '', sandboxId: sandbox.id, force: true }, { signal }));
      const leftovers = daemon.leftovers();
      trash.push(kibibytes(`${daemon.root}/trash`) / 1024);
      left.push(leftovers.length);
      deletes.push(removed.ms / 1000);
      for (const { name } of removed.value.phases) (parts[`phase ${name}, ms`] ??= []).push(phaseMs(removed.value.phases, name));
      say(`round ${round + 1}: ${digits(removed.ms)} ms, left behind: ${leftovers.length === 0 ? 'nothing' : leftovers.join('; ')}`);
    }
    const most = Math.max(...left);
    const note = `processes, mounts and directories of it right after the reply: ${most === 0 ? 'none' : `up to ${most}`}; data may sit in trash/ for moments`;
    const figure = plainFigure({ ...ROW, atMost: 0.1, note }, 's', deletes);
    return {
      figures: [{ ...figure, reached: figure.reached === true && most === 0 }],
      samples: { 'delete, s': deletes, 'left behind': left, 'in the trash at the reply, MiB': trash, ...parts },
    };
  },
};

/** The trash may be emptied while it is counted: then what is gone counts as nothing. */
function kibibytes(directory: string): number {
  const text = execFileSync('sh', ['-c', 'du -sk "$1" 2>/dev/null || true', 'sh', directory], { encoding: 'utf8' });
  return Number(/^\d+/.exec(text)?.[0] ?? 0);
}
