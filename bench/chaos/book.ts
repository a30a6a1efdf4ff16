import type { Victim } from './schedule.ts';

/** What was killed of a sandbox. */
export interface Wound {
  readonly victim: Exclude<Victim, 'daemon'>;
  /** Of performance.now(). */
  readonly atMs: number;
}

/** What callers know for sure, what was done to whom, and what was found wrong. */
export class Book {
  readonly violations: string[] = [];
  readonly done = new Map<string, number>();
  readonly refused = new Map<string, number>();
  /** Sandboxes whose create was acknowledged and whose delete was not asked for yet, by id. */
  readonly standing = new Map<string, string>();
  /** Names of creates whose outcome nobody was told. */
  readonly unknown = new Set<string>();
  readonly #wounds = new Map<string, readonly Wound[]>();
  #lastMortalMs = -Infinity;

  count(what: string): void {
    this.done.set(what, (this.done.get(what) ?? 0) + 1);
  }

  refuse(what: string): void {
    this.refused.set(what, (this.refused.get(what) ?? 0) + 1);
  }

  violate(text: string): void {
    this.violations.push(text);
  }

  /** When a VM was last killed, of performance.now(). */
  get lastMortalMs(): number {
    return this.#lastMortalMs;
  }

  wound(sandbox: string, victim: Wound['victim']): void {
    const atMs = performance.now();
    if (isMortal(victim)) this.#lastMortalMs = atMs;
    this.#wounds.set(sandbox, [...(this.#wounds.get(sandbox) ?? []), { victim, atMs }]);
  }

  woundsOf(id: string): readonly Wound[] {
    return this.#wounds.get(shortOf(id)) ?? [];
  }

  /** Its VM can't have survived. */
  isMortallyWounded(id: string): boolean {
    return this.woundsOf(id).some(({ victim }) => isMortal(victim));
  }

  /** A new boot, which began then, has processes of its own. */
  heal(id: string, bootMs: number): void {
    this.#wounds.set(shortOf(id), this.woundsOf(id).filter(({ atMs }) => atMs > bootMs));
  }
}

/** What its run directory is called after. */
export function shortOf(id: string): string {
  return id.slice(-10);
}

function isMortal(victim: Wound['victim']): boolean {
  return victim === 'vmm' || victim === 'virtiofsd';
}
