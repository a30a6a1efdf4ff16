import { tmpdir } from 'node:os';
import { describe, expect, it } from 'vitest';
import { cellName, generate, type Cell } from '../matrix/cells.ts';
import { play } from '../matrix/play.ts';
import type { Stage } from '../matrix/subject.ts';
import { FAKE_VMM } from './daemon.ts';

const LIMIT_MS = 1_800_000;
/** To play a part of it by hand: a regular expression on the names of cells. */
const ONLY = process.env['VIVARIUM_MATRIX_ONLY'] ?? '';

const PATIENT = 'boot_timeout = "60s"\ncreate_timeout = "120s"';
const PLAIN = [`hypervisor_path = "${FAKE_VMM}"`, 'accelerator = "tcg"', 'shared_fs = "none"', 'memory = "64MiB"', 'memory_overhead = "0MiB"', PATIENT].join('\n');

const DISKS = 'block_rootfs = true\nwritable_size = "64MiB"';

const FAKE: Stage = { profiles: { plain: PLAIN, shared: PLAIN.replace('"none"', '"virtiofs"'), disks: `${PLAIN}\n${DISKS}` }, witness: ['counter', '1000'], parent: '/dev/shm', bootsAtOnce: 12 };
const REAL: Stage = { profiles: { plain: PATIENT, shared: PATIENT, disks: `${PATIENT}\nshared_fs = "none"\n${DISKS}` }, witness: ['sh', '-c', 'i=0; while :; do i=$((i+1)); echo $i; sleep 0.2; done'], parent: tmpdir(), bootsAtOnce: 3 };

/** One of each plan, where the real parts differ most from the fake ones. */
const ON_QEMU = [
  'create after vmm: killed, VM healthy',
  'create before guest: caller-leaves, VM healthy',
  'boot after share: killed, VM healthy',
  'pause after vmm: killed, VM healthy',
  'resume before vmm: killed, VM healthy',
  'stop before vmm: killed, VM stopped',
  'delete after vmm: killed, VM healthy',
  'recover before agent: killed, VM stopped',
  'recover after share: fails, VM healthy',
  'container-create after rootfs: killed, VM healthy',
  'container-create after disks: killed, VM healthy',
  'container-create after agent_create: fails, VM healthy',
  'container-start after agent_start: killed, VM healthy',
  'container-delete before host: killed, VM healthy',
  'container-delete after disks: killed, VM healthy',
  'device-attach after plug: killed, VM healthy',
  'device-attach before guest: fails, VM healthy',
  'device-detach after unplug: killed, VM healthy',
  'boot after devices: killed, VM healthy',
  'exec after agent_exec: killed, VM healthy',
];

function chosen(cells: readonly Cell[], pattern: string): readonly Cell[] {
  return cells.filter((cell) => new RegExp(pattern).test(cellName(cell)));
}

describe('the fault matrix', () => {
  it('on fake VMMs: every step of every plan × before, after, between × killed, fails, hangs, caller leaves × VM healthy, stopped, dead', { timeout: LIMIT_MS }, async () => {
    const { cells, pruned } = generate();
    const played = chosen(cells, ONLY);
    const { problems, loose, well } = await play(played, FAKE);
    const leftOut = [...pruned].map(([why, times]) => `  ${String(times).padStart(4)} left out: ${why}\n`);
    process.stdout.write(`fault matrix: ${played.length} cells, ${well} as they must be\n${leftOut.join('')}`);
    expect({ problems, loose }).toEqual({ problems: [], loose: [] });
  });

  it('on real VMs: a sample', { timeout: LIMIT_MS }, async () => {
    const { cells } = generate();
    const sample = ON_QEMU.map((name) => cells.find((cell) => cellName(cell) === name));
    expect(sample).not.toContain(undefined);
    const { problems, loose } = await play(chosen(sample.filter((cell) => cell !== undefined), ONLY), REAL);
    expect({ problems, loose }).toEqual({ problems: [], loose: [] });
  });
});
