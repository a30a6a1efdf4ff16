import { closeSync, existsSync, fstatSync, openSync, readSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { TestDaemon } from '../system/daemon.ts';
import type { Cell, Fault } from './cells.ts';
import { lives, passesBefore, prepare, request, startTimeOf, type MatrixClient, type Subject } from './subject.ts';

/** How long a point holds before its fault comes: time to do to the VM what the cell says. */
const HOLD_MS = 2500;
/** A request with a fault in it is over within this, whatever the VM does: "never a hang". */
const OVER_MS = 150_000;
const REACHED_MS = 120_000;
const LOOK_MS = 25;
/** Requests that run side by side; most of them wait. */
const REQUESTS_AT_ONCE = 150;
/** A VM that was stopped goes on after this: longer than a fault is held, so that the request meets it stopped. */
const STANDS_STILL_MS = 8000;

const ACTIONS: Readonly<Record<Fault, { readonly action: string; readonly ms: number }>> = {
  killed: { action: 'park', ms: 0 },
  fails: { action: 'fail', ms: HOLD_MS },
  hangs: { action: 'hang', ms: HOLD_MS },
  'caller-leaves': { action: 'delay', ms: HOLD_MS },
};

/** The rules of some cells, as `VIVARIUM_FAILPOINTS` reads them, and what was reached of them. */
export class ArmedPoints {
  readonly file: string;
  readonly #reached = new Set<string>();
  #read = 0;
  #rest = '';
  #lookedMs = 0;

  constructor(file: string, subjects: readonly Subject[]) {
    this.file = file;
    writeFileSync(file, JSON.stringify(subjects.map(({ cell, name }) => ({ point: cell.point, sandbox: name, skip: passesBefore(cell), ...ACTIONS[cell.fault] }))));
  }

  /** Resolves once the cell's point is reached. False when its request is over without. */
  async reached({ name, cell }: Subject, over: () => boolean): Promise<boolean> {
    const until = Date.now() + REACHED_MS;
    for (;;) {
      // Asked before the file is read: a point that is reached is in the file before its request can be over.
      const done = over();
      // Hundreds wait at once: one look serves them all, but for one whose request is over.
      if (done || Date.now() - this.#lookedMs >= LOOK_MS) this.#update();
      if (this.#reached.has(`${name}\n${cell.point}`)) return true;
      if (done || Date.now() > until) return false;
      await delay(LOOK_MS);
    }
  }

  #update(): void {
    this.#lookedMs = Date.now();
    const lines = `${this.#rest}${this.#more()}`.split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      const { sandbox, point, armed } = JSON.parse(line) as { sandbox: string; point: string; armed: boolean };
      if (armed) this.#reached.add(`${sandbox}\n${point}`);
    }
  }

  /** What was written since the last look. */
  #more(): string {
    const path = `${this.file}.reached`;
    if (!existsSync(path)) return '';
    const file = openSync(path, 'r');
    try {
      const bytes = Buffer.alloc(fstatSync(file).size - this.#read);
      this.#read += readSync(file, bytes, 0, bytes.length, this.#read);
      return bytes.toString();
    } finally {
      closeSync(file);
    }
  }
}

/** Work on each of some items, so many at a time. */
export async function each<T>(items: readonly T[], atOnce: number, work: (item: T) => Promise<void>): Promise<void> {
  const waiting = [...items];
  await Promise.all(Array.from({ length: atOnce }, async () => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(item);
  }));
}

export async function prepareAll(client: MatrixClient, subjects: readonly Subject[], atOnce: number): Promise<void> {
  await each(subjects, atOnce, async (subject) => {
    try {
      await prepare(client, subject);
    } catch (error) {
      throw new Error(`${subject.name} was not prepared: ${String(error)}`, { cause: error });
    }
  });
}

/** Does to the VM what the cell says. A VM that a create or boot makes is looked up by what it runs. */
export function treat(daemon: TestDaemon, subject: Subject, stopped: Set<number>): void {
  const { guest } = subject.cell;
  if (guest === 'healthy') return;
  const pid = subject.vmm?.pid ?? daemon.vmmOf(subject.name);
  if (pid === undefined) return;
  // A run that went on may have ended it in this very moment.
  if (!lives({ pid, startTime: startTimeOf(pid) ?? '' })) return;
  process.kill(pid, guest === 'stopped' ? 'SIGSTOP' : 'SIGKILL');
  if (guest === 'stopped') stopped.add(pid);
}

export interface RoundProblem {
  readonly cell: Cell;
  readonly problem: string;
}

/** Cells whose daemon lives on: each request runs into its fault and is over in time. */
export async function runThrough(daemon: TestDaemon, client: MatrixClient, points: ArmedPoints, subjects: readonly Subject[]): Promise<readonly RoundProblem[]> {
  const problems: RoundProblem[] = [];
  await each(subjects, REQUESTS_AT_ONCE, async (subject) => {
    const problem = await runOne(daemon, client, points, subject).catch((error: unknown) => `its request could not be followed: ${String(error)}`);
    if (problem !== undefined) problems.push({ cell: subject.cell, problem });
  });
  return problems;
}

async function runOne(daemon: TestDaemon, client: MatrixClient, points: ArmedPoints, subject: Subject): Promise<string | undefined> {
  const caller = new AbortController();
  const limit = AbortSignal.timeout(OVER_MS);
  const stopped = new Set<number>();
  let over = subject.cell.plan === 'clean' ? undefined : false;
  const outcome = request(client, subject, AbortSignal.any([caller.signal, limit])).then(() => undefined, (error: unknown) => String(error)).finally(() => { over = over === undefined ? undefined : true; });
  try {
    if (!(await points.reached(subject, () => over === true))) return `its point was not reached; the request said: ${(await outcome) ?? 'done'}`;
    treat(daemon, subject, stopped);
    if (subject.cell.fault === 'caller-leaves') caller.abort();
    if (stopped.size > 0) await delay(STANDS_STILL_MS);
    goOn(stopped);
    await outcome;
    return limit.aborted ? `its request was not over after ${OVER_MS} ms` : undefined;
  } finally {
    goOn(stopped);
  }
}

/** Cells that wait at their point until the daemon is killed. Answers the VMs that stand still. */
export async function park(daemon: TestDaemon, client: MatrixClient, points: ArmedPoints, subjects: readonly Subject[]): Promise<{ readonly problems: readonly RoundProblem[]; readonly stopped: ReadonlySet<number> }> {
  const problems: RoundProblem[] = [];
  const stopped = new Set<number>();
  await each(subjects, subjects.length, async (subject) => {
    let said: string | undefined;
    // Parked until the daemon dies, which ends the call.
    void request(client, subject, AbortSignal.timeout(OVER_MS * 2)).then(() => { said = subject.cell.plan === 'clean' ? undefined : 'done'; }, (error: unknown) => { said = String(error); });
    if (await points.reached(subject, () => said !== undefined)) treat(daemon, subject, stopped);
    else problems.push({ cell: subject.cell, problem: `its point was not reached; the request said: ${said ?? 'nothing'}` });
  });
  return { problems, stopped };
}

/** Cells whose point is in the recovery of a daemon that has just started. */
export async function recoverInto(daemon: TestDaemon, points: ArmedPoints, subjects: readonly Subject[], stopped: Set<number>): Promise<readonly RoundProblem[]> {
  const problems: RoundProblem[] = [];
  await each(subjects, subjects.length, async (subject) => {
    if (await points.reached(subject, () => false)) treat(daemon, subject, stopped);
    else problems.push({ cell: subject.cell, problem: 'its point was not reached' });
  });
  return problems;
}

export function goOn(stopped: ReadonlySet<number>): void {
  for (const pid of stopped) {
    if (startTimeOf(pid) !== undefined) process.kill(pid, 'SIGCONT');
  }
}
