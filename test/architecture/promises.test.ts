import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { exists, rowsOf } from './parity-table.ts';

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));

const promises = rowsOf(readFileSync(join(REPOSITORY, 'docs/reliability.md'), 'utf8'));

describe('docs/reliability.md', () => {
  it('promises nothing that no test shows', () => {
    expect(promises.length).toBeGreaterThan(0);
    expect(promises.filter(({ proofs }) => !proofs.some(({ kind }) => kind === 'test' || kind === 'rust')).map(({ capability }) => capability)).toEqual([]);
  });

  it('names tests that exist, and gives no other answers', () => {
    const wrong = promises.flatMap(({ capability, proofs }) =>
      proofs.filter((proof) => (proof.kind !== 'test' && proof.kind !== 'rust') || !exists(REPOSITORY, proof)).map(({ text }) => `${capability}: ${text}`));
    expect(wrong).toEqual([]);
  });
});
