import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { createPlan } from '../../src/core/machine/create-plan.ts';
import { RESOURCE_KINDS } from '../../src/core/model/ledger.ts';
import { profile } from '../fakes/records.ts';

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));
const ledger = /^## The ledger\n([^]*?)(?=^## )/m.exec(readFileSync(join(REPOSITORY, 'docs/reliability.md'), 'utf8'))?.[1] ?? '';

/** Cells of the table below a heading, without its own. */
function rows(text: string): readonly (readonly string[])[] {
  return text.split('\n').filter((line) => line.startsWith('| `')).map((line) => line.split('|').slice(1, -1).map((cell) => cell.trim()));
}

describe('the ledger', () => {
  it('has every kind in docs/reliability.md, in the order of removal, with its mark and what removes it', () => {
    expect(rows(ledger).map(([kind]) => kind)).toEqual(RESOURCE_KINDS.map((kind) => `\`${kind}\``));
    expect(rows(ledger).filter((cells) => cells.length !== 4 || cells.includes(''))).toEqual([]);
  });

  it('has a test of each kind on the real host', () => {
    const text = ['ledger', 'volumes'].map((name) => readFileSync(join(REPOSITORY, `test/integration/${name}.integration.test.ts`), 'utf8')).join('\n');
    expect(RESOURCE_KINDS.filter((kind) => !text.includes(`${kind[0]?.toUpperCase()}${kind.slice(1)}Ledger(`))).toEqual([]);
  });

  it('is written into a plan by its kinds alone, each resource once', () => {
    const { resources } = createPlan(profile(), { runDir: '/run/x', stateDir: '/lib/x', cgroups: ['/cg/x'] });
    expect(resources.filter(({ kind }) => !RESOURCE_KINDS.includes(kind))).toEqual([]);
    expect(new Set(resources.map(({ kind, name }) => `${kind} ${name}`)).size).toBe(resources.length);
  });
});
