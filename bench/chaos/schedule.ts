import { Random } from './random.ts';

export type Operation = 'create' | 'create-shared' | 'container' | 'exec' | 'pause' | 'resume' | 'stop' | 'start' | 'delete';
export type Victim = 'daemon' | 'launcher' | 'scribe' | 'vmm' | 'virtiofsd';

export interface Kill {
  /** After the last kill. */
  readonly afterMs: number;
  readonly victim: Victim;
  /** Which of those there are: a share of their list, from 0 up to 1. */
  readonly place: number;
  /** How long the daemon stays away. */
  readonly awayMs: number;
}

type Stage = 'none' | 'ready' | 'running' | 'paused' | 'stopped';

/** What may come next, and how often, by what the operations before have made. Faults are left out here: they do not change the schedule. */
const NEXT: Readonly<Record<Stage, Readonly<Partial<Record<Operation, number>>>>> = {
  none: { create: 3, 'create-shared': 1 },
  ready: { container: 8, pause: 1, stop: 1, delete: 1 },
  running: { exec: 6, container: 2, pause: 2, stop: 1, delete: 3 },
  paused: { resume: 8, delete: 1 },
  stopped: { start: 3, delete: 1 },
};

/** The sandbox after a boot has no container that runs. */
const AFTER: Readonly<Record<Operation, Stage>> = {
  create: 'ready',
  'create-shared': 'ready',
  container: 'running',
  exec: 'running',
  pause: 'paused',
  resume: 'running',
  stop: 'stopped',
  start: 'ready',
  delete: 'none',
};

/** How often each is chosen. */
type Weights = Readonly<Partial<Record<Victim, number>>>;

const VICTIMS: Weights = { daemon: 4, vmm: 3, launcher: 2, scribe: 1, virtiofsd: 1 };

/** The endless list of what one lane does, one operation after the other, with one sandbox at a time. The same for the same seed and lane. */
export function* operationsOf(seed: string, lane: number): Generator<Operation, never> {
  const random = new Random(`${seed}/lane ${lane}`);
  let stage: Stage = 'none';
  let withContainer = false;
  for (;;) {
    const operation: Operation = random.pick<Operation>(NEXT[stage]);
    yield operation;
    if (operation === 'container') withContainer = true;
    if (operation === 'start' || operation === 'delete') withContainer = false;
    stage = operation === 'resume' && !withContainer ? 'ready' : AFTER[operation];
  }
}

/** The endless list of kills. The same for the same seed. */
export function* killsOf(seed: string, meanMs: number, victims: Weights = VICTIMS): Generator<Kill, never> {
  const random = new Random(`${seed}/kills`);
  for (;;) yield { afterMs: random.between(meanMs / 10, meanMs * 1.9), victim: random.pick<Victim>(victims), place: random.next(), awayMs: random.between(0, 800) };
}
