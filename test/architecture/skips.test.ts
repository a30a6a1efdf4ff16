import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { missing, skips } from '../skip.ts';
import { readSources } from './import-graph.ts';

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));
/** What vitest calls itself by on a test, a suite or a test's context, to pass over one or all others. */
const BARE_SKIP = /\b(it|test|suite|describe|context|ctx|task)(\.\w+)*\.(skip|skipIf|runIf|todo|fails|only)\b|\(\{[^})]*\bskip\b[^})]*\}\)/;
const BY_ENTRY = /\b(?:skippable|missing)\('([^']*)'/g;

const list = skips();
const tests = readSources(REPOSITORY, 'test').filter(({ path }) => path !== 'test/skip.ts' && !path.startsWith('test/architecture/'));

describe('a test', () => {
  it('is skipped by an entry of test/skips.json and in no other way', () => {
    expect(tests.filter(({ text }) => BARE_SKIP.test(text)).map(({ path }) => path)).toEqual([]);
    expect(rustFiles().filter((path) => /^\s*#\[ignore\b/m.test(readFileSync(path, 'utf8')))).toEqual([]);
  });

  it('is not skipped by an id that the list does not have', () => {
    expect(() => missing('no-such-entry', true)).toThrow('test/skips.json has no "no-such-entry"');
    expect(missing('grpcurl', false)).toBe(false);
  });

  it('would be found if it called itself skipped', () => {
    for (const text of ["it.skip('x')", "describe.skipIf(true)('x')", "it.concurrent.only('x')", 'ctx.skip()', "test('x', ({ skip }) => {})", 'it.runIf(x)']) expect(text).toMatch(BARE_SKIP);
    for (const text of ["log.skip('stdout', 1n)", "skippable('x', true).it('y')", "it('says what it skips')"]) expect(text).not.toMatch(BARE_SKIP);
  });
});

describe('test/skips.json', () => {
  it('has each entry once, with what it needs and a reason', () => {
    expect(new Set(list.map(({ id }) => id)).size).toBe(list.length);
    expect(list.filter(({ id, needs, reason }) => [id, needs, reason].some((text) => typeof text !== 'string' || text === ''))).toEqual([]);
  });

  it('has the entries that are used and no others', () => {
    const used = new Set(tests.flatMap(({ text }) => [...text.matchAll(BY_ENTRY)].map((match) => match[1])));
    expect([...used].sort()).toEqual(list.map(({ id }) => id).sort());
  });

  it('excuses nothing that `make test` installs or builds', () => {
    expect(list.filter(({ needs }) => /qemu|virtiofsd|launcher|fake-vmm|default guest|kvm/i.test(needs))).toEqual([]);
  });
});

function rustFiles(): readonly string[] {
  return readdirSync(join(REPOSITORY, 'crates'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.rs'))
    .map((entry) => join(entry.parentPath, entry.name));
}
