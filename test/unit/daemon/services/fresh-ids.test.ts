import { describe, expect, it } from 'vitest';
import type { IdSource } from '../../../../src/core/ports/host.ts';
import { FreshIds } from '../../../../src/daemon/services/fresh-ids.ts';

const FIRST = '0190f4a8b7c27def8a12b3c4d5e6f708';
/** Made in the same minute, with the same end. */
const SAME_END = '0190f4a8b7c37abc8a12b3c4d5e6f708';
const OTHER = '0190f4a8b7c47def8a1200000000000a';

function source(...ids: readonly string[]): IdSource {
  const left = [...ids];
  return { id: () => left.shift() ?? ids.at(-1) ?? '', random: (bytes) => new Uint8Array(bytes) };
}

describe('a new id', () => {
  it('is the source\'s when nobody has its short form', () => {
    expect(new FreshIds(source(OTHER), () => [FIRST]).id()).toBe(OTHER);
  });

  it('is another one when its short form is in use', () => {
    expect(new FreshIds(source(SAME_END, OTHER), () => [FIRST]).id()).toBe(OTHER);
  });

  it('may be taken again once nobody has it any more', () => {
    const known = new Set([FIRST]);
    const ids = new FreshIds(source(OTHER, SAME_END), () => known);
    ids.id();
    known.clear();
    expect(ids.id()).toBe(SAME_END);
  });

  it('is refused by a source that answers the same for ever', () => {
    expect(() => new FreshIds(source(SAME_END), () => [FIRST]).id()).toThrow('in use already');
  });
});
