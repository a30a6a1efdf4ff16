import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { cycles, importGraph, importsOf, readSources, valueImportGraph } from './import-graph.ts';
import { MAY_IMPORT, roomOf, turnedArrows } from './layers.ts';

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url));
const MOST_LINES = 400;

const sources = readSources(REPOSITORY, 'src');
const ours = sources.filter(({ path }) => roomOf(path) !== 'gen');
const graph = importGraph(ours);

describe('the rooms', () => {
  it('import along the arrows only', () => {
    expect(turnedArrows(graph)).toEqual([]);
  });

  it('have no cycle between files', () => {
    expect(cycles(valueImportGraph(ours))).toEqual([]);
  });

  it('import only files that exist', () => {
    const there = new Set([...sources.map(({ path }) => path), 'package.json']);
    expect([...graph].flatMap(([file, imports]) => imports.filter((name) => !there.has(name)).map((name) => `${file}: ${name}`))).toEqual([]);
  });
});

describe('the files', () => {
  it(`have at most ${MOST_LINES} lines`, () => {
    expect(ours.filter(({ text }) => text.split('\n').length > MOST_LINES).map(({ path }) => path)).toEqual([]);
  });

  it('are not called utils, and are no barrels', () => {
    const named = /(^|[/-])(utils?|helpers?|misc|common-utils|index)(\.ts|\/)/;
    expect(ours.map(({ path }) => path).filter((path) => named.test(path))).toEqual([]);
    expect(ours.filter(({ text }) => isBarrel(text)).map(({ path }) => path)).toEqual([]);
  });

  it('have no default exports', () => {
    expect(ours.filter(({ text }) => /^export default |^export \{[^}]*\bas default\b/m.test(text)).map(({ path }) => path)).toEqual([]);
  });
});

describe('this test', () => {
  const imports = (from: string, to: string): readonly string[] => turnedArrows(new Map([[from, [to]]]));

  it.each([
    ['src/core/model/record.ts', 'src/host/files.ts'],
    ['src/hypervisors/qemu/driver.ts', 'src/agents/connector.ts'],
    ['src/storage/share.ts', 'src/host/files.ts'],
    ['src/store/records.ts', 'src/daemon/services/facade.ts'],
    ['src/daemon/services/manager.ts', 'src/daemon/api/status.ts'],
    ['src/daemon/services/manager.ts', 'src/hypervisors/qemu/driver.ts'],
    ['src/daemon/services/manager.ts', 'src/gen/vivarium/v1/common.ts'],
    ['src/daemon/lifecycle.ts', 'src/hypervisors/qemu/driver.ts'],
    ['src/cli/main.ts', 'src/core/model/ids.ts'],
    ['src/cli/main.ts', 'src/daemon/api/limits.ts'],
    ['src/base/abort.ts', 'src/core/model/errors.ts'],
    ['src/nowhere/x.ts', 'src/base/abort.ts'],
  ])('finds %s → %s', (from, to) => {
    expect(imports(from, to)).toHaveLength(1);
  });

  it('lets the composition root know everybody', () => {
    expect(Object.keys(MAY_IMPORT).filter((room) => room !== 'wiring').flatMap((room) => (MAY_IMPORT['wiring']?.includes(room) === true ? [] : [room])).sort()).toEqual(['cli', 'gen']);
    expect(imports('src/daemon/wiring.ts', 'src/hypervisors/qemu/driver.ts')).toEqual([]);
  });

  it('sees types, re-exports and dynamic imports, and a cycle', () => {
    expect(importsOf("import type { A } from './a.ts';\nexport { b } from './b.ts';\nconst c = await import('./c.ts');")).toEqual(['./a.ts', './b.ts', './c.ts']);
    expect(cycles(new Map([['a', ['b']], ['b', ['c']], ['c', ['b']]]))).toEqual([['b', 'c', 'b']]);
  });

  it('takes no type for a part of a cycle', () => {
    const text = "import type { A } from './a.ts';\nimport { type B } from './b.ts';\nimport { type C, d } from './c.ts';\nimport './e.ts';\nexport type { F } from './f.ts';";
    expect(valueImportGraph([{ path: 'x.ts', text }]).get('x.ts')).toEqual(['c.ts', 'e.ts']);
  });

  it('knows a barrel', () => {
    expect(isBarrel("export * from './a.ts';\nexport { b } from './b.ts';\n")).toBe(true);
    expect(isBarrel("export type { A } from './a.ts';\nexport const b = 1;\n")).toBe(false);
  });
});

/** A file that does nothing but hand on what others export. */
function isBarrel(text: string): boolean {
  const statements = text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '').split(/;\s*\n/).map((statement) => statement.trim()).filter((statement) => statement !== '');
  return statements.length > 0 && statements.every((statement) => /^export\s+(type\s+)?(\*|\{)[\s\S]*\bfrom\b/.test(statement));
}
