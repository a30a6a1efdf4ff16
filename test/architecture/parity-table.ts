import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What shows a row: a test of vitest or of cargo, or why there is none. */
export interface Proof {
  readonly kind: 'test' | 'rust' | 'refused' | 'issue' | 'missing' | 'unknown';
  /** Relative to the repository; for a test. */
  readonly file: string;
  /** Words of the test's title, the name of its function, or the issue's number. */
  readonly name: string;
  /** As it stands in the table. */
  readonly text: string;
}

export interface Row {
  /** Number of the section's heading. */
  readonly section: string;
  /** From the table of known limits, which users of the other asked about. */
  readonly known: boolean;
  readonly capability: string;
  readonly here: string;
  readonly proofs: readonly Proof[];
}

/** The rows of all tables below headings `## N. …`. Cells are parted by `|`, proofs in a cell by `<br>`. */
export function rowsOf(markdown: string): readonly Row[] {
  const rows: Row[] = [];
  let section = '';
  let known = false;
  const lines = markdown.split('\n');
  for (const [index, line] of lines.entries()) {
    const heading = /^## (\d+)?/.exec(line);
    if (heading !== null) [section, known] = [heading[1] ?? '', false];
    if (line.startsWith('### ')) known = true;
    const isHeader = lines[index + 1]?.startsWith('|--') === true;
    if (section === '' || !line.startsWith('| ') || isHeader) continue;
    const [capability = '', here = '', proof = ''] = line.split('|').slice(1).map((cell) => cell.trim());
    rows.push({ section, known, capability, here, proofs: proof.split('<br>').map((text) => text.trim()).filter((text) => text !== '').map(readProof) });
  }
  return rows;
}

function readProof(text: string): Proof {
  const test = /^(test|rust): (\S+) › (.+)$/.exec(text);
  if (test !== null) return { kind: test[1] === 'rust' ? 'rust' : 'test', file: test[2] ?? '', name: test[3] ?? '', text };
  const issue = /^issue (\d+): \S/.exec(text);
  if (issue !== null) return { kind: 'issue', file: '', name: issue[1] ?? '', text };
  const word = /^(refused|missing): \S/.exec(text)?.[1];
  return { kind: word === 'refused' || word === 'missing' ? word : 'unknown', file: '', name: '', text };
}

/** Whether what a proof names is there; a reason is there by being said. */
export function exists(repository: string, proof: Proof): boolean {
  if (proof.kind !== 'test' && proof.kind !== 'rust') return true;
  const path = join(repository, proof.file);
  return existsSync(path) && hasProof(readFileSync(path, 'utf8'), proof);
}

/** Whether the text of a test file has the test: the function, or a title with these words. */
export function hasProof(text: string, { kind, name }: Proof): boolean {
  if (kind === 'rust') return new RegExp(`#\\[(tokio::)?test[^\\]]*\\]\\s*(#\\[[^\\]]*\\]\\s*)*(async )?fn ${name}\\(`).test(text);
  return titles(text).some((title) => title.includes(name));
}

/** Titles of tests and suites; one that follows a table of cases stands behind `)(`. */
function titles(text: string): readonly string[] {
  const opening = /^\s*(?:(?:\w+\([^)]*\)\.|\w+\.)?(?:it|test|describe)\b[.\w]*(?:\(.*\))?\(|\](?: as const)?\)\()(['"`])((?:\\.|(?!\1).)*)\1/gm;
  return [...text.matchAll(opening)].map((match) => (match[2] ?? '').replaceAll("\\'", "'"));
}
