import { readFileSync } from 'node:fs';
import { describe, it } from 'vitest';

/** A test that may be skipped. What a fresh machine gets from `make test` is none of these: without QEMU or a guest a test fails. */
export interface Skip {
  readonly id: string;
  /** What has to be there for the test to run. */
  readonly needs: string;
  /** Why its absence is no failure, and what shows the same. */
  readonly reason: string;
}

/** The closed list. */
export function skips(): readonly Skip[] {
  return JSON.parse(readFileSync(new URL('skips.json', import.meta.url), 'utf8')) as readonly Skip[];
}

/** Whether what the entry needs is missing; says so on the console. Throws on an id that the list does not have. */
export function missing(id: string, condition: boolean): boolean {
  const skip = skips().find((entry) => entry.id === id);
  if (skip === undefined) throw new Error(`test/skips.json has no ${JSON.stringify(id)}: a test may be skipped only by an entry with its reason`);
  if (condition) console.log(`${id}: not run (needs ${skip.needs}; ${skip.reason})`);
  return condition;
}

/** `it` and `describe`, which skip when `condition` holds: `skippable('grpcurl', program === undefined).describe('…', …)`. */
export function skippable(id: string, condition: boolean): { readonly it: ReturnType<typeof it.skipIf>; readonly describe: ReturnType<typeof describe.skipIf> } {
  const skip = missing(id, condition);
  return { it: it.skipIf(skip), describe: describe.skipIf(skip) };
}
