import { Random } from '../chaos/random.ts';

export type Fault = 'none' | 'aborted' | 'killed';
export type Verb = 'attach' | 'detach';

/** One disk that comes and goes. */
export interface Turn {
  /** Which of a few. */
  readonly disk: number;
  readonly fault: Fault;
  /** The change that it strikes. */
  readonly strikes: Verb;
  /** So long after that change was asked for. */
  readonly afterMs: number;
}

export const DISKS = 7;
const FAULTS = { none: 85, aborted: 10, killed: 5 } as const;
/** A change takes some tens of milliseconds on a quiet host: most faults strike in the middle. */
const LATEST_MS = 60;

/** The endless list of turns. The same for the same seed. */
export function* turnsOf(seed: string): Generator<Turn, never> {
  const random = new Random(`${seed}/turns`);
  for (;;) {
    yield { disk: random.between(0, DISKS), fault: random.pick<Fault>(FAULTS), strikes: random.pick<Verb>({ attach: 1, detach: 1 }), afterMs: random.between(0, LATEST_MS) };
  }
}
