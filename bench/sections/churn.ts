import { rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TestDaemon } from '../../test/system/daemon.ts';
import { DaemonLife } from '../chaos/life.ts';
import { DiskChurn } from '../churn/disk-churn.ts';
import { turnsOf } from '../churn/turns.ts';
import { vmLeftovers } from '../churn/vm-leftovers.ts';
import { judged } from '../figure.ts';
import type { Outcome, Section, SectionContext } from '../figure.ts';
import { LeakProof } from '../host/leak-proof.ts';
import type { Leaks } from '../host/leak-proof.ts';
import { digits } from '../stats.ts';

const TURNS = { full: 1000, quick: 60 } as const;
const PORTS = 8;
const DISK_BYTES = 1024 * 1024;
/** Record, ports and guest are compared each time so many turns are over. */
const COMPARED = 20;
/** The schedule of the section; what a fault meets differs each time all the same. */
const SEED = 'churn';

const WHAT = '1,000 attach and detach on one sandbox';
const ROWS = {
  left: { name: `slots, nodes and open files left by ${WHAT}`, target: '0' },
  leaks: { name: 'what the audit and a diff of the host find after them', target: '0' },
  agree: { name: 'guest and record that disagree meanwhile, or changes that fail', target: '0' },
  pace: { name: `pace of ${WHAT}`, target: '-' },
} as const;

interface Found {
  readonly churn: DiskChurn;
  readonly left: readonly string[];
  readonly leaks: Leaks;
  readonly seconds: number;
  readonly turns: number;
}

/** Disks come and go in one real VM; one caller in ten leaves, and the daemon is killed in one turn of twenty. */
export const CHURN: Section = {
  name: 'churn',
  limitMs: 2_400_000,
  onlyWhenNamed: true,
  rows: Object.values(ROWS),
  run: async (context) => outcome(await run(context)),
};

async function run(context: SectionContext): Promise<Found> {
  const { signal, say } = context;
  const seed = process.env['VIVARIUM_BENCH_SEED'] ?? SEED;
  say(`seed ${seed} (VIVARIUM_BENCH_SEED)`);
  const daemon = await TestDaemon.start({ profiles: { ports: `pcie_ports = ${PORTS}\n` } });
  await daemon.stop();
  using life = new DaemonLife(daemon, signal);
  const proof = new LeakProof(life);
  await life.begin();
  const { sandbox } = await life.ask((client, inner) => client.sandboxes.createSandbox({ requestId: '', spec: { name: 'churn', profile: 'ports' } }, { signal: inner }));
  if (sandbox === undefined) throw new Error('no sandbox in the reply');
  const containerId = await life.ask((client, inner) => client.sleeper(sandbox.id, inner));
  for (let index = 0; index < PORTS; index += 1) emptyDisk(diskOf(daemon, index));
  const churn = new DiskChurn({ life, sandboxId: sandbox.id, containerId, disk: (index) => diskOf(daemon, index) });

  const turns = context.quick ? TURNS.quick : TURNS.full;
  const began = performance.now();
  await allTurns(churn, seed, turns, context);
  const seconds = (performance.now() - began) / 1000;
  await churn.fill(PORTS);
  await life.end();
  const left = await vmLeftovers(sandbox.vmmPid, `${daemon.run}/s/${sandbox.shortId}/qmp.sock`, signal);
  await life.begin();
  const found = { churn, left, leaks: await proof.prove(), seconds, turns };
  for (const line of [...churn.violations, ...left, ...found.leaks.byAudit, ...found.leaks.byDiff]) say(line);
  if (found.leaks.byDiff.length === 0) rmSync(daemon.home, { recursive: true, force: true });
  return found;
}

async function allTurns(churn: DiskChurn, seed: string, count: number, { signal, say }: SectionContext): Promise<void> {
  let taken = 0;
  for (const turn of turnsOf(seed)) {
    signal.throwIfAborted();
    await churn.take(turn);
    taken += 1;
    if (taken % COMPARED === 0) await churn.agree(PORTS);
    if (taken % 100 === 0) say(`${taken} of ${count}, ${churn.violations.length} wrong`);
    if (taken === count) return;
  }
}

function diskOf(daemon: TestDaemon, index: number): string {
  return join(daemon.home, `disk${index}.img`);
}

function emptyDisk(path: string): void {
  writeFileSync(path, '');
  truncateSync(path, DISK_BYTES);
}

function outcome({ churn, left, leaks, seconds, turns }: Found): Outcome {
  const times = (what: string): number => churn.done.get(what) ?? 0;
  const faults = `${turns} times in and out again on real QEMU; ${times('aborted: attach') + times('aborted: detach')} callers left in the middle, ${times('killed: daemon')} kills of the daemon`;
  return {
    figures: [
      judged({ ...ROWS.left, atMost: 0, note: `${faults}. Asked of the VMM by its own monitor and of the kernel, the daemon stopped; before that a disk was put into each of its ${PORTS} ports at once` }, '', left.length, undefined),
      judged({ ...ROWS.leaks, atMost: 0, note: 'HostService.Audit once the sandbox is deleted; then processes, mounts, sockets, cgroups, shared memory and directories, before and after, read from the kernel' }, '', leaks.byAudit.length + leaks.byDiff.length, undefined),
      judged({ ...ROWS.agree, atMost: 0, note: `each ${COMPARED} turns and with every port taken: the record's devices, its free ports, and /sys/block in the guest; any refusal, and any change that does not come to its end` }, '', churn.violations.length, undefined),
      judged({ ...ROWS.pace, note: `turns a second over ${digits(seconds)} s` }, '/s', turns / seconds, undefined),
    ],
    samples: {},
    facts: Object.fromEntries(churn.done),
  };
}
