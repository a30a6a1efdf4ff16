import { shortId } from '../../core/model/ids.ts';
import { DomainError } from '../../core/model/errors.ts';
import type { IdSource } from '../../core/ports/host.ts';

/** Of 40 random bits; two in a row that are taken are a broken source. */
const TRIES = 8;

/**
 * Ids whose short form nothing has that this daemon knows. Host resources are named by it, so two sandboxes that shared one would share a link, a
 * cgroup and a directory.
 */
export class FreshIds implements IdSource {
  readonly #source: IdSource;
  readonly #taken: () => Iterable<string>;

  /** `taken` answers the full ids of everything known at the moment. */
  constructor(source: IdSource, taken: () => Iterable<string>) {
    this.#source = source;
    this.#taken = taken;
  }

  /** INTERNAL when the source keeps answering what is taken. */
  id(): string {
    for (let tries = 0; tries < TRIES; tries += 1) {
      const id = this.#source.id();
      if (!this.#isTaken(shortId(id))) return id;
    }
    throw new DomainError('INTERNAL', `${TRIES} new ids in a row were in use already`, { remedy: 'check that this host has a working source of random numbers' });
  }

  random(bytes: number): Uint8Array {
    return this.#source.random(bytes);
  }

  #isTaken(short: string): boolean {
    for (const id of this.#taken()) if (shortId(id) === short) return true;
    return false;
  }
}
