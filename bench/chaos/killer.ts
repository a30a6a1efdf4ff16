import { setTimeout as delay } from 'node:timers/promises';
import type { Book } from './book.ts';
import type { DaemonLife } from './life.ts';
import type { Kill } from './schedule.ts';
import { candidates } from './victims.ts';

export interface KillerParts {
  readonly life: DaemonLife;
  readonly book: Book;
  readonly say: (line: string) => void;
}

/** Carries out kills one after the other until told to stop, and looks after each death of the daemon whether what was promised is still there. */
export async function killUntil(stop: AbortSignal, kills: Iterable<Kill>, parts: KillerParts): Promise<void> {
  for (const kill of kills) {
    await delay(kill.afterMs, undefined, { signal: stop }).catch(() => undefined);
    if (stop.aborted) return;
    await carryOut(kill, parts);
  }
}

async function carryOut({ victim, place, awayMs }: Kill, { life, book, say }: KillerParts): Promise<void> {
  if (victim === 'daemon') {
    const standing = new Map(book.standing);
    await life.crash(awayMs);
    book.count('killed: daemon');
    say(`killed the daemon; back after ${awayMs} ms and its start`);
    await nothingVanished(standing, { life, book, say });
    return;
  }
  const living = candidates(life.daemon.run).filter((candidate) => candidate.victim === victim);
  const chosen = living[Math.floor(place * living.length)];
  if (chosen === undefined) {
    book.count(`nothing to kill: ${victim}`);
    return;
  }
  // Written down before it is done: what comes of it may be seen at once.
  book.wound(chosen.sandbox, victim);
  book.count(`killed: ${victim}`);
  say(`killed the ${victim} of ${chosen.sandbox}, pid ${chosen.pid}`);
  killIfThere(chosen.pid);
}

/** A daemon that has just come back knows every sandbox that was acknowledged before its death. */
async function nothingVanished(standing: ReadonlyMap<string, string>, { life, book }: KillerParts): Promise<void> {
  const { sandboxes } = await life.ask((client, signal) => client.sandboxes.listSandboxes({}, { signal }));
  const known = new Set(sandboxes.map(({ id }) => id));
  for (const [id, name] of standing) {
    // Deleted by its own lane meanwhile.
    if (book.standing.has(id) && !known.has(id)) book.violate(`${name} (${id}) was acknowledged and is gone after a restart`);
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
