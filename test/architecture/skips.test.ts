import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readSources } from './import-graph.ts';

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));

interface Skip {
  readonly file: string;
  readonly when: string;
  readonly reason: string;
}

const list = JSON.parse(readFileSync(join(REPOSITORY, 'test/skips.json'), 'utf8')) as readonly Skip[];
/** As it is called on a test, a suite or a test's context. */
const SKIPS = /\b(it|test|describe|context|ctx)\.(skip|skipIf|runIf|todo|fails|only)\b/;

describe('tests that may be skipped', () => {
  it('are those of test/skips.json, and no others', () => {
    const skipping = readSources(REPOSITORY, 'test').filter(({ path, text }) => !path.startsWith('test/architecture/') && SKIPS.test(text)).map(({ path }) => path);
    expect(skipping).toEqual(list.map(({ file }) => file).sort());
  });

  it('have a condition and a reason each', () => {
    expect(list.filter(({ when, reason }) => when === '' || reason === '')).toEqual([]);
  });
});
