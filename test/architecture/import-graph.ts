import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import ts from 'typescript';

/** File (relative to the repository) → the files of ours that it imports. */
export type ImportGraph = ReadonlyMap<string, readonly string[]>;

export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** Every TypeScript file below a directory of the repository. */
export function readSources(repository: string, directory: string): readonly SourceFile[] {
  return readdirSync(join(repository, directory), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ path: relative(repository, path), text: readFileSync(path, 'utf8') }))
    .sort((a, b) => a.path.localeCompare(b.path));
}

/** Imports as the compiler's own scanner finds them: types, values, re-exports and `import()`. */
export function importGraph(sources: readonly SourceFile[]): ImportGraph {
  return new Map(sources.map(({ path, text }) => [path, importsOf(text).filter((name) => name.startsWith('.')).map((name) => join(dirname(path), name))]));
}

/** The same without what is imported as type only: that is gone before anything runs, so it makes no cycle of modules. */
export function valueImportGraph(sources: readonly SourceFile[]): ImportGraph {
  return importGraph(sources.map(({ path, text }) => ({ path, text: withoutTypeImports(text) })));
}

/** Imports stand at the beginning of a line in our files; parsing each file whole for this takes seconds. */
function withoutTypeImports(text: string): string {
  return text
    .replaceAll(/^(import|export) type \{?[^;]*? from '[^']*';/gm, '')
    .replaceAll(/^import \{([^}]*)\} from '[^']*';/gm, (statement: string, names: string) => (names.split(',').every((name) => /^\s*(type\s.*)?$/.test(name)) ? '' : statement));
}

export function importsOf(text: string): readonly string[] {
  return ts.preProcessFile(text, true, true).importedFiles.map(({ fileName }) => fileName);
}

/** Each cycle once, as the files along it. */
export function cycles(graph: ImportGraph): readonly (readonly string[])[] {
  const found: string[][] = [];
  const done = new Set<string>();
  const visit = (file: string, trail: readonly string[]): void => {
    const at = trail.indexOf(file);
    if (at !== -1) {
      found.push([...trail.slice(at), file]);
      return;
    }
    if (done.has(file)) return;
    for (const next of graph.get(file) ?? []) visit(next, [...trail, file]);
    done.add(file);
  };
  for (const file of graph.keys()) visit(file, []);
  return found;
}
